-- Also where session_replication_role is replica.
CREATE OR REPLACE TRIGGER period_closings_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON banking.period_closings
    FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.period_closings ENABLE ALWAYS TRIGGER period_closings_append_only;
