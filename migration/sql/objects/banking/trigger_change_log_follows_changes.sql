-- Only the triggers of the logged tables write the change log.
CREATE OR REPLACE TRIGGER change_log_follows_changes
    BEFORE INSERT ON banking.change_log
    FOR EACH STATEMENT
    WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.change_log ENABLE ALWAYS TRIGGER change_log_follows_changes;
