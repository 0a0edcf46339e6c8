-- Opens the bank's own accounts in a currency once. They are the other side of money that enters or
-- leaves the bank. The function fails with NB004 if another account has one of their identifiers or
-- numbers, and does nothing for an unknown currency.
CREATE OR REPLACE FUNCTION banking.open_system_accounts(p_currency_code text) RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_minor_units smallint;
    v_own bigint;
BEGIN
    SELECT currency.minor_units INTO v_minor_units
    FROM banking.currencies AS currency WHERE currency.currency_code = p_currency_code;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR v_try IN 1..2 LOOP
        SELECT count(*) INTO v_own
        FROM unnest(ARRAY['external', 'interest', 'fees', 'adjustment', 'clearing', 'exchange']) AS purpose (name)
        JOIN banking.accounts AS account
            ON account.account_id = banking.system_account_id(purpose.name, p_currency_code)
        WHERE banking.is_system_account(account.account_id, account.account_number, account.account_type,
                                        account.currency_code, account.customer_id, account.overdraft_limit);
        IF v_own = 6 THEN
            RETURN;
        END IF;
        EXIT WHEN v_try = 2;
        INSERT INTO banking.accounts
            (account_id, account_number, account_type, currency_code, minor_units, overdraft_limit)
        SELECT banking.system_account_id(purpose.name, p_currency_code),
               'SYS-' || upper(purpose.name) || '-' || p_currency_code,
               'system', p_currency_code, v_minor_units, NULL
        FROM unnest(ARRAY['external', 'interest', 'fees', 'adjustment', 'clearing', 'exchange']) AS purpose (name)
        -- No conflict target: if another session opens the accounts at the same moment, the first
        -- conflict may be on the identifier or on the number.
        ON CONFLICT DO NOTHING;
    END LOOP;
    RAISE EXCEPTION 'another account has an identifier or a number of the bank''s own accounts in %', p_currency_code
        USING ERRCODE = 'NB004', HINT = 'Run banking.audit(); it names the account.';
END
$$;
REVOKE ALL ON FUNCTION banking.open_system_accounts(text) FROM PUBLIC;
