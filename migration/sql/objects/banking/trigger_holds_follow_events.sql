-- A hold changes only with its events, which the posting functions write.
CREATE OR REPLACE TRIGGER holds_follow_events
    BEFORE INSERT OR UPDATE ON banking.holds
    FOR EACH STATEMENT
    WHEN (current_setting('neobank.posting', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.holds ENABLE ALWAYS TRIGGER holds_follow_events;
