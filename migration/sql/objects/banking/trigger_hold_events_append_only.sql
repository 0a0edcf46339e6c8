-- Also where session_replication_role is replica.
CREATE OR REPLACE TRIGGER hold_events_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON banking.hold_events
    FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.hold_events ENABLE ALWAYS TRIGGER hold_events_append_only;
