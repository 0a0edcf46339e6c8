-- Sets a balance if the caller saw the newest version of the account. The difference becomes an
-- adjustment: a transfer against the bank's adjustment account, so that the journal shows it and
-- the balances of the currency still sum to zero. SECURITY DEFINER, because the application itself
-- may not insert into the journal.
CREATE OR REPLACE FUNCTION banking.update_account_optimistic(
    p_account_id uuid,
    p_new_balance numeric,
    p_expected_version bigint
)
RETURNS TABLE (success boolean, new_version bigint, error_message text)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_account banking.accounts;
    v_adjustment banking.accounts;
    v_movement numeric;
    v_transfer_id uuid := banking.uuid_v7();
    v_posted_at timestamptz;
    v_new_adjustment_balance numeric;
BEGIN
    IF p_account_id IS NULL OR p_new_balance IS NULL OR p_expected_version IS NULL THEN
        RAISE EXCEPTION 'p_account_id, p_new_balance and p_expected_version must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;

    -- The first read takes no lock; it finds the currency. Both rows are then locked in the order
    -- that every writer uses.
    SELECT * INTO v_account FROM banking.accounts WHERE account_id = p_account_id;
    IF NOT FOUND THEN
        RETURN QUERY SELECT false, NULL::bigint, format('Account not found: %s', p_account_id);
        RETURN;
    END IF;
    IF v_account.account_type = 'system' THEN
        RETURN QUERY SELECT false, v_account.version, format('System account: %s', p_account_id);
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT FROM banking.accounts
        WHERE account_id = banking.system_account_id('adjustment', v_account.currency_code)
    ) THEN
        PERFORM banking.open_system_accounts(v_account.currency_code);
    END IF;
    PERFORM FROM banking.accounts
    WHERE account_id IN (p_account_id, banking.system_account_id('adjustment', v_account.currency_code))
    ORDER BY account_id
    FOR NO KEY UPDATE;
    SELECT * INTO v_account FROM banking.accounts WHERE account_id = p_account_id;
    SELECT * INTO v_adjustment FROM banking.accounts
    WHERE account_id = banking.system_account_id('adjustment', v_account.currency_code);

    IF v_account.version <> p_expected_version THEN
        RETURN QUERY SELECT false, v_account.version,
            format('Version mismatch - expected %s but found %s', p_expected_version, v_account.version);
        RETURN;
    END IF;
    IF v_account.account_status <> 'active' THEN
        RETURN QUERY SELECT false, v_account.version, format('Account is %s', v_account.account_status);
        RETURN;
    END IF;
    -- The comparison with the bounds also rejects NaN and Infinity.
    IF NOT (p_new_balance > -1000000000000000000 AND p_new_balance < 1000000000000000000)
        OR p_new_balance <> round(p_new_balance, v_account.minor_units) THEN
        RETURN QUERY SELECT false, v_account.version,
            format('Not an amount in %s: %s', v_account.currency_code, p_new_balance);
        RETURN;
    END IF;
    IF p_new_balance - v_account.held_balance + v_account.overdraft_limit < 0 THEN
        RETURN QUERY SELECT false, v_account.version,
            format('Below the limit: new balance %s, held %s, overdraft limit %s',
                   p_new_balance, v_account.held_balance, v_account.overdraft_limit);
        RETURN;
    END IF;

    v_movement := round(p_new_balance, v_account.minor_units) - v_account.current_balance;
    IF v_movement = 0 THEN
        RETURN QUERY SELECT true, v_account.version, NULL::text;
        RETURN;
    END IF;

    v_new_adjustment_balance := v_adjustment.current_balance - v_movement;
    v_posted_at := greatest(clock_timestamp(), v_account.last_entry_at, v_adjustment.last_entry_at);
    INSERT INTO banking.transfers
        (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number, to_entry_number,
         amount, currency_code, description, posted_at)
    SELECT v_transfer_id, 'adjustment', payer.account_id, payee.account_id,
           payer.last_entry_number + 1, payee.last_entry_number + 1,
           abs(v_movement), v_account.currency_code, 'Balance corrected', v_posted_at
    FROM (SELECT (CASE WHEN v_movement > 0 THEN v_adjustment ELSE v_account END).*) AS payer,
         (SELECT (CASE WHEN v_movement > 0 THEN v_account ELSE v_adjustment END).*) AS payee;
    INSERT INTO banking.transactions
        (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount, currency_code,
         running_balance, description, transaction_date)
    VALUES
        (banking.uuid_v7(), v_transfer_id, v_account.account_id, v_account.last_entry_number + 1,
         CASE WHEN v_movement > 0 THEN 'credit' ELSE 'debit' END, abs(v_movement), v_account.currency_code,
         v_account.current_balance + v_movement, 'Balance corrected', v_posted_at),
        (banking.uuid_v7(), v_transfer_id, v_adjustment.account_id, v_adjustment.last_entry_number + 1,
         CASE WHEN v_movement > 0 THEN 'debit' ELSE 'credit' END, abs(v_movement), v_account.currency_code,
         v_new_adjustment_balance, 'Balance corrected', v_posted_at);

    RETURN QUERY SELECT true, v_account.version + 1, NULL::text;
END
$$;
REVOKE ALL ON FUNCTION banking.update_account_optimistic(uuid, numeric, bigint) FROM PUBLIC;
