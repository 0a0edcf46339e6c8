-- Fires also for a reserved identifier or number: the identifiers of system_account_id() begin with
-- '00000000-0000-8000-8000-'.
CREATE OR REPLACE TRIGGER accounts_guard_system_insert
    BEFORE INSERT ON banking.accounts
    FOR EACH ROW
    WHEN (
        NEW.account_type = 'system'
        OR NEW.account_number LIKE 'SYS-%'
        OR (NEW.account_id >= '00000000-0000-8000-8000-000000000000'
            AND NEW.account_id <= '00000000-0000-8000-8000-ffffffffffff')
    )
    EXECUTE FUNCTION banking.guard_system_account();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_guard_system_insert;
