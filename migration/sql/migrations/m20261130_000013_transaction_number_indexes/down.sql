DROP INDEX IF EXISTS banking.hold_events_transaction_number_index;
-- next statement
DROP INDEX IF EXISTS banking.transfers_transaction_number_index;
