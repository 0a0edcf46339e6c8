-- Opens the bank's own accounts in a currency, once; the other side of money that enters or leaves the bank.
CREATE OR REPLACE FUNCTION banking.open_system_accounts(p_currency_code text) RETURNS void
LANGUAGE sql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO banking.accounts
        (account_id, account_number, account_type, currency_code, minor_units, overdraft_limit)
    SELECT banking.system_account_id(purpose.name, currency.currency_code),
           'SYS-' || upper(purpose.name) || '-' || currency.currency_code,
           'system', currency.currency_code, currency.minor_units, NULL
    FROM banking.currencies AS currency,
         unnest(ARRAY['external', 'interest', 'fees', 'adjustment']) AS purpose (name)
    WHERE currency.currency_code = p_currency_code
    -- Without a target: whoever opens them at the same moment may be met at the index of the numbers first.
    ON CONFLICT DO NOTHING
$$;
REVOKE ALL ON FUNCTION banking.open_system_accounts(text) FROM PUBLIC;
