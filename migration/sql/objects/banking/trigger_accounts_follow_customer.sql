-- Not for an account without an owner, which check_account_terms() validates.
CREATE OR REPLACE TRIGGER accounts_follow_customer
    BEFORE INSERT OR UPDATE OF account_status ON banking.accounts
    FOR EACH ROW
    WHEN (NEW.account_status IN ('active', 'blocked') AND NEW.customer_id IS NOT NULL)
    EXECUTE FUNCTION banking.follow_customer();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_follow_customer;
