-- Fires for the columns that an application may set and for the number, and so never for the update
-- of a transfer.
CREATE OR REPLACE TRIGGER accounts_guard_system_update
    BEFORE UPDATE OF account_type, account_number, account_status, overdraft_limit, time_zone, opened_at, closed_at
    ON banking.accounts
    FOR EACH ROW WHEN (OLD.account_type = 'system' OR NEW.account_type = 'system' OR NEW.account_number LIKE 'SYS-%')
    EXECUTE FUNCTION banking.guard_system_account();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_guard_system_update;
