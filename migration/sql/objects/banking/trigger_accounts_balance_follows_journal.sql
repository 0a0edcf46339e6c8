-- apply_balances() updates the balances, from inside a trigger or with the posting functions'
-- setting. Every other writer is at depth 0 without the setting and is rejected, the owner too. The
-- application lacks the privilege to update a balance.
CREATE OR REPLACE TRIGGER accounts_balance_follows_journal
    BEFORE UPDATE OF current_balance, held_balance, last_entry_number, last_entry_at, account_id, currency_code, minor_units
    ON banking.accounts
    FOR EACH STATEMENT
    WHEN (pg_trigger_depth() = 0 AND current_setting('neobank.posting', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION banking.reject_account_change();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_balance_follows_journal;
