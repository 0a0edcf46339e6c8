CREATE OR REPLACE TRIGGER accounts_never_deleted
    BEFORE DELETE OR TRUNCATE ON banking.accounts
    FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_account_change();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_never_deleted;
