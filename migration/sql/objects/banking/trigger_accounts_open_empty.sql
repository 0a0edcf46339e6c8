CREATE OR REPLACE TRIGGER accounts_open_empty
    BEFORE INSERT ON banking.accounts
    FOR EACH ROW
    WHEN (
        NEW.current_balance <> 0 OR NEW.held_balance <> 0
        OR NEW.last_entry_number <> 0 OR NEW.last_entry_at IS NOT NULL
    )
    EXECUTE FUNCTION banking.reject_account_change();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_open_empty;
