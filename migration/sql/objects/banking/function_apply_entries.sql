-- Validates the entries of every writer but the posting functions against their transfers, and
-- calls banking.apply_balances() for the accounts. It reads the statement's new entries once, so
-- its cost is per statement and not per row. SECURITY DEFINER, because the application itself may
-- not touch a balance.
CREATE OR REPLACE FUNCTION banking.apply_entries() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- As in banking.post_transfers(). Transfers too are looked up one by one by their key.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET enable_nestloop = on
SET enable_indexscan = on
SET jit = off
AS $$
DECLARE
    v_entries bigint;
    v_expected bigint;
    v_matching bigint;
    v_transfers banking.new_transfer[];
    v_value_dates date[];
    v_done boolean;
BEGIN
    SELECT count(*), 2 * count(DISTINCT entry.transfer_id)
    INTO v_entries, v_expected
    FROM new_entries AS entry;

    -- A transfer names its two entries by account and number, so both must be here, equal, and no
    -- third can ever come.
    SELECT count(*)
    INTO v_matching
    FROM new_entries AS entry
    CROSS JOIN LATERAL (
        SELECT * FROM banking.transfers AS named
        WHERE named.transfer_id = entry.transfer_id
        OFFSET 0
    ) AS transfer
    WHERE entry.amount = transfer.amount
      AND entry.currency_code = transfer.currency_code
      AND entry.transaction_date = transfer.posted_at
      AND CASE entry.transaction_type
              WHEN 'debit' THEN
                  entry.account_id = transfer.from_account_id
                  AND entry.entry_number = transfer.from_entry_number
              WHEN 'credit' THEN
                  entry.account_id = transfer.to_account_id
                  AND entry.entry_number = transfer.to_entry_number
          END;
    IF v_matching <> v_entries OR v_entries <> v_expected THEN
        RAISE EXCEPTION 'entries do not match their transfers: % entries of % transfers, % match',
                v_entries, v_expected / 2, v_matching
            USING ERRCODE = 'NB001',
                  HINT = 'Insert the debit and the credit of a transfer in one statement, as the '
                         'transfer names them.';
    END IF;

    -- Each transfer has its debit and its credit here, with one amount, currency and time.
    SELECT array_agg(
        ROW(
            pair.transfer_id, NULL, pair.amounts[1], pair.currency_codes[1], NULL, NULL, NULL,
            pair.dates[1],
            pair.account_ids[1], pair.entry_numbers[1], pair.balances[1], NULL, NULL,
            pair.account_ids[2], pair.entry_numbers[2], pair.balances[2], NULL, NULL
        )::banking.new_transfer
        ORDER BY pair.transfer_id
    ),
    array_agg(
        (SELECT named.value_date FROM banking.transfers AS named WHERE named.transfer_id = pair.transfer_id)
        ORDER BY pair.transfer_id
    )
    INTO v_transfers, v_value_dates
    FROM (
        SELECT entry.transfer_id,
               -- The debit comes first.
               array_agg(entry.account_id) AS account_ids,
               array_agg(entry.entry_number) AS entry_numbers,
               array_agg(entry.running_balance::numeric) AS balances,
               array_agg(entry.amount::numeric) AS amounts,
               array_agg(entry.currency_code) AS currency_codes,
               array_agg(entry.transaction_date) AS dates
        FROM (
            SELECT * FROM new_entries
            ORDER BY transfer_id, transaction_type = 'credit'
        ) AS entry
        GROUP BY entry.transfer_id
    ) AS pair;
    IF banking.apply_balances(v_transfers, clock_timestamp()) THEN
        v_done := banking.require_limits(v_transfers);
    END IF;
    v_done := banking.require_open_days(v_transfers, v_value_dates);
    v_done := banking.validate_reversals(ARRAY(SELECT DISTINCT transfer_id FROM new_entries));
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION banking.apply_entries() FROM PUBLIC;
