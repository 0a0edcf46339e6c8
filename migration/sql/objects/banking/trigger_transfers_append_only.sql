-- Also where session_replication_role is replica.
CREATE OR REPLACE TRIGGER transfers_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON banking.transfers
    FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.transfers ENABLE ALWAYS TRIGGER transfers_append_only;
