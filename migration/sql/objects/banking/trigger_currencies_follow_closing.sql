CREATE OR REPLACE TRIGGER currencies_follow_closing
    BEFORE UPDATE OF first_open_day ON banking.currencies
    FOR EACH STATEMENT
    WHEN (current_setting('neobank.closing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.currencies ENABLE ALWAYS TRIGGER currencies_follow_closing;
