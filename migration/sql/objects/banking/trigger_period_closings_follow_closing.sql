CREATE OR REPLACE TRIGGER period_closings_follow_closing
    BEFORE INSERT ON banking.period_closings
    FOR EACH STATEMENT
    WHEN (current_setting('neobank.closing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.period_closings ENABLE ALWAYS TRIGGER period_closings_follow_closing;
