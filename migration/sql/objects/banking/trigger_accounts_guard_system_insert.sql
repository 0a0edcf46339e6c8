CREATE OR REPLACE TRIGGER accounts_guard_system_insert
    BEFORE INSERT ON banking.accounts
    FOR EACH ROW WHEN (NEW.account_type = 'system')
    EXECUTE FUNCTION banking.guard_system_account();
