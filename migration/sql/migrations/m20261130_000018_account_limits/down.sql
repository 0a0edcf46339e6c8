DROP TABLE banking.account_limits;
DROP SEQUENCE banking.limit_number_sequence;
ALTER TABLE banking.accounts DROP COLUMN has_limits;
DROP DOMAIN banking.limit_window;
