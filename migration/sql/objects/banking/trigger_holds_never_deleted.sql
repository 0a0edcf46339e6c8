CREATE OR REPLACE TRIGGER holds_never_deleted
    BEFORE DELETE OR TRUNCATE ON banking.holds
    FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.holds ENABLE ALWAYS TRIGGER holds_never_deleted;
