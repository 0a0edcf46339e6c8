-- For balances by value date: the transfers of an account whose value date is not their booking day.
-- Outside a transaction, so that posting goes on while the server reads the journal. A build that
-- was interrupted leaves an invalid index, which the next attempt replaces.
DROP INDEX CONCURRENTLY IF EXISTS banking.transfers_from_value_date_index;
-- next statement
CREATE INDEX CONCURRENTLY transfers_from_value_date_index
    ON banking.transfers (from_account_id, value_date)
    WHERE value_date IS NOT NULL;
-- next statement
DROP INDEX CONCURRENTLY IF EXISTS banking.transfers_to_value_date_index;
-- next statement
CREATE INDEX CONCURRENTLY transfers_to_value_date_index
    ON banking.transfers (to_account_id, value_date)
    WHERE value_date IS NOT NULL;
