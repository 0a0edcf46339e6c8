-- A closed account never changes; a returning customer opens a new one.
CREATE OR REPLACE TRIGGER accounts_closed_for_ever
    BEFORE UPDATE OF account_type, account_status, overdraft_limit, time_zone, customer_id, opened_at, closed_at
    ON banking.accounts
    FOR EACH ROW WHEN (OLD.account_status = 'closed')
    EXECUTE FUNCTION banking.reject_account_change();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_closed_for_ever;
