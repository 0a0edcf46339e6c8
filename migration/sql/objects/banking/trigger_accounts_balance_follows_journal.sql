-- apply_entries() updates the balances from inside a trigger; any other writer is at depth 0 and is refused.
CREATE OR REPLACE TRIGGER accounts_balance_follows_journal
    BEFORE UPDATE OF current_balance, held_balance, last_entry_number, last_entry_at, account_id, currency_code, minor_units
    ON banking.accounts
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION banking.refuse_account_change();
