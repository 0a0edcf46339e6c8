-- Outside a transaction, so that posting goes on while the server reads the journal. A build that
-- was interrupted leaves an invalid index, which the next attempt replaces.
DROP INDEX CONCURRENTLY IF EXISTS banking.transfers_group_id_index;
-- next statement
CREATE INDEX CONCURRENTLY transfers_group_id_index ON banking.transfers (group_id)
    WHERE group_id IS NOT NULL;
-- next statement
DROP INDEX CONCURRENTLY IF EXISTS banking.transfers_reverses_transfer_id_index;
-- next statement
CREATE INDEX CONCURRENTLY transfers_reverses_transfer_id_index
    ON banking.transfers (reverses_transfer_id)
    WHERE reverses_transfer_id IS NOT NULL;
