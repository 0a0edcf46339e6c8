DROP TABLE banking.change_log;
DROP SEQUENCE banking.change_number_sequence;
DROP DOMAIN banking.change_operation;
