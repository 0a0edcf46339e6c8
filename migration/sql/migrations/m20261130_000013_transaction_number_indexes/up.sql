-- Outside a transaction, so that posting goes on while the server reads the journal. Rows are
-- written nearly in the order of their transactions, so a block range index of a few pages finds
-- the rows of the last seconds, and costs posting next to nothing. A worker of autovacuum summarises
-- each range soon after it is full, and not only with the next vacuum of the table.
DROP INDEX CONCURRENTLY IF EXISTS banking.transfers_transaction_number_index;
-- next statement
CREATE INDEX CONCURRENTLY transfers_transaction_number_index
    ON banking.transfers USING brin (transaction_number) WITH (pages_per_range = 32, autosummarize = on);
-- next statement
DROP INDEX CONCURRENTLY IF EXISTS banking.hold_events_transaction_number_index;
-- next statement
CREATE INDEX CONCURRENTLY hold_events_transaction_number_index
    ON banking.hold_events USING brin (transaction_number) WITH (pages_per_range = 32, autosummarize = on);
