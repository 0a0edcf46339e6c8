-- The name sorts last, so that the trigger fires after the others and validates the row that they
-- made.
CREATE OR REPLACE TRIGGER accounts_valid_terms
    BEFORE INSERT OR UPDATE OF account_type, account_status, customer_id, held_balance, overdraft_limit, time_zone,
                               opened_at, closed_at
    ON banking.accounts
    FOR EACH ROW EXECUTE FUNCTION banking.check_account_terms();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_valid_terms;
