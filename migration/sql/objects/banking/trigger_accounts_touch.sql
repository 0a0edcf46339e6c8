CREATE OR REPLACE TRIGGER accounts_touch
    BEFORE UPDATE OF account_type, account_status, overdraft_limit, time_zone, customer_id ON banking.accounts
    FOR EACH ROW EXECUTE FUNCTION banking.touch_account();
