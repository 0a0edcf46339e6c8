-- Only the posting functions, which validate the events, write them.
CREATE OR REPLACE TRIGGER hold_events_follow_posting
    BEFORE INSERT ON banking.hold_events
    FOR EACH STATEMENT
    WHEN (current_setting('neobank.posting', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.hold_events ENABLE ALWAYS TRIGGER hold_events_follow_posting;
