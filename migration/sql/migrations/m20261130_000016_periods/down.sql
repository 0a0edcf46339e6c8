DROP TABLE banking.period_closings;
DROP SEQUENCE banking.closing_number_sequence;
ALTER TABLE banking.currencies DROP COLUMN first_open_day;
DROP DOMAIN banking.closing_type;
