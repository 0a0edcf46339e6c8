-- Fires for the terms alone, and so never for the balances that posting updates.
CREATE OR REPLACE TRIGGER accounts_log
    AFTER INSERT OR UPDATE OF customer_id, account_number, account_type, account_status, currency_code, overdraft_limit,
                              time_zone, opened_at, closed_at
    ON banking.accounts
    FOR EACH ROW EXECUTE FUNCTION banking.log_change();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_log;
