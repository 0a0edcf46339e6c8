DROP INDEX IF EXISTS banking.transfers_reverses_transfer_id_index;
-- next statement
DROP INDEX IF EXISTS banking.transfers_group_id_index;
