-- Also where session_replication_role is replica.
CREATE OR REPLACE TRIGGER change_log_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON banking.change_log
    FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.change_log ENABLE ALWAYS TRIGGER change_log_append_only;
