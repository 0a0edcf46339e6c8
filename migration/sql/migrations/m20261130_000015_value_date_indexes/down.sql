DROP INDEX IF EXISTS banking.transfers_to_value_date_index;
-- next statement
DROP INDEX IF EXISTS banking.transfers_from_value_date_index;
