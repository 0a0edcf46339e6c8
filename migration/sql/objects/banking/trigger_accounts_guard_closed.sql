-- A closed account never changes, unless banking.reopen_account() reopens it. The name sorts behind
-- accounts_follow_customer, which derives the new status.
CREATE OR REPLACE TRIGGER accounts_guard_closed
    BEFORE UPDATE OF account_type, account_status, overdraft_limit, time_zone, customer_id, opened_at, closed_at
    ON banking.accounts
    FOR EACH ROW WHEN (OLD.account_status = 'closed')
    EXECUTE FUNCTION banking.guard_closed_account();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_guard_closed;
