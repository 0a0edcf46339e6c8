-- Also where session_replication_role is replica.
CREATE OR REPLACE TRIGGER seals_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON banking.seals
    FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.seals ENABLE ALWAYS TRIGGER seals_append_only;
