-- Named so that it comes after every other trigger of the same moment, and sees what they have made of the row.
CREATE OR REPLACE TRIGGER accounts_valid_terms
    BEFORE INSERT OR UPDATE OF account_type, account_status, customer_id, held_balance, overdraft_limit, time_zone,
                               opened_at, closed_at
    ON banking.accounts
    FOR EACH ROW EXECUTE FUNCTION banking.check_account_terms();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_valid_terms;
