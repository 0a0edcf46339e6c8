-- The one place where a balance changes: whatever enters the journal is held against its transfers and its accounts,
-- and the accounts follow. One pass over the statement's new entries, so its cost is per statement, not per row.
-- SECURITY DEFINER, because the application itself may not touch a balance.
CREATE OR REPLACE FUNCTION banking.apply_entries() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- The plans are made once for a session, perhaps on an empty table or for a large batch, and kept: they must fit both. So
-- transfers and accounts are looked up one by one by their keys, and neither is ever read as a whole.
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
    v_transfers bigint;
    v_accounts bigint;
    v_matching bigint;
    v_applied bigint;
    v_latest timestamptz;
BEGIN
    SELECT count(*), count(DISTINCT entry.transfer_id), count(DISTINCT entry.account_id), max(entry.transaction_date)
    INTO v_entries, v_transfers, v_accounts, v_latest
    FROM new_entries AS entry;

    -- A transfer names its two entries by account and number, so both must be here, equal, and no third can ever come.
    SELECT count(*)
    INTO v_matching
    FROM new_entries AS entry
    CROSS JOIN LATERAL (
        SELECT * FROM banking.transfers AS named WHERE named.transfer_id = entry.transfer_id OFFSET 0
    ) AS transfer
    WHERE entry.amount = transfer.amount
      AND entry.currency_code = transfer.currency_code
      AND entry.transaction_date = transfer.posted_at
      AND CASE entry.transaction_type
              WHEN 'debit' THEN
                  entry.account_id = transfer.from_account_id AND entry.entry_number = transfer.from_entry_number
              WHEN 'credit' THEN
                  entry.account_id = transfer.to_account_id AND entry.entry_number = transfer.to_entry_number
          END;
    IF v_matching <> v_entries OR v_entries <> 2 * v_transfers THEN
        RAISE EXCEPTION 'entries do not match their transfers: % entries of % transfers, % match',
                v_entries, v_transfers, v_matching
            USING ERRCODE = 'NB001',
                  HINT = 'Insert the debit and the credit of a transfer in one statement, as the transfer names them.';
    END IF;

    -- Times never go back, so one entry in the future would drag every later one there. Only a clock that was set back
    -- leaves accounts whose last entry lies ahead of it; nothing goes further ahead than those.
    IF v_latest > clock_timestamp() THEN
        IF v_latest > (
            SELECT coalesce(max(account.last_entry_at), '-infinity')
            FROM banking.accounts AS account
            WHERE account.account_id IN (SELECT entry.account_id FROM new_entries AS entry)
        ) THEN
            RAISE EXCEPTION 'entries lie in the future: %', v_latest
                USING ERRCODE = 'NB002',
                      HINT = 'Take the time from clock_timestamp() after locking the accounts.';
        END IF;
    END IF;

    WITH chained AS (
        SELECT entry.account_id,
               entry.entry_number,
               entry.currency_code,
               entry.running_balance,
               entry.transaction_date,
               scale(entry.amount) AS decimals,
               CASE entry.transaction_type WHEN 'credit' THEN entry.amount ELSE -entry.amount END AS movement,
               lag(entry.entry_number) OVER by_number AS number_before,
               lag(entry.running_balance) OVER by_number AS balance_before,
               lag(entry.transaction_date) OVER by_number AS date_before
        FROM new_entries AS entry
        WINDOW by_number AS (PARTITION BY entry.account_id ORDER BY entry.entry_number)
    ),
    movements AS (
        SELECT chained.account_id,
               count(*) AS entries,
               min(chained.entry_number) AS first_number,
               max(chained.entry_number) AS last_number,
               min(chained.transaction_date) AS first_date,
               max(chained.transaction_date) AS last_date,
               min(chained.currency_code) AS currency_code,
               max(chained.decimals) AS decimals,
               sum(chained.movement) AS movement,
               bool_and(
                   chained.number_before IS NULL
                   OR (
                       chained.entry_number = chained.number_before + 1
                       AND chained.running_balance = chained.balance_before + chained.movement
                       AND chained.transaction_date >= chained.date_before
                   )
               )
               AND min(chained.currency_code) = max(chained.currency_code) AS unbroken,
               (array_agg(chained.running_balance ORDER BY chained.entry_number DESC))[1] AS last_balance,
               min(chained.running_balance) AS lowest_balance
        FROM chained
        GROUP BY chained.account_id
    )
    UPDATE banking.accounts AS account
    SET current_balance = movements.last_balance,
        last_entry_number = movements.last_number,
        last_entry_at = movements.last_date,
        version = account.version + movements.entries,
        updated_at = greatest(clock_timestamp(), account.updated_at + interval '1 microsecond')
    FROM movements
    WHERE account.account_id = movements.account_id
      AND movements.unbroken
      AND account.account_status = 'active'
      AND account.currency_code = movements.currency_code
      AND account.minor_units >= movements.decimals
      AND account.last_entry_number + 1 = movements.first_number
      AND account.current_balance + movements.movement = movements.last_balance
      AND (account.last_entry_at IS NULL OR account.last_entry_at <= movements.first_date)
      -- As in post_transfers().
      AND (account.opened_at <= movements.first_date OR account.account_type = 'system'
           OR account.opened_at > clock_timestamp())
      -- The account's own check sees only where the balance ends, not what it came through.
      AND (movements.lowest_balance = movements.last_balance
           OR coalesce(movements.lowest_balance - account.held_balance + account.overdraft_limit >= 0, true));
    GET DIAGNOSTICS v_applied = ROW_COUNT;

    IF v_applied <> v_accounts THEN
        RAISE EXCEPTION 'entries do not continue their accounts: % of % accounts fit', v_applied, v_accounts
            USING ERRCODE = 'NB002',
                  HINT = 'Lock the accounts first; number the entries on from last_entry_number without a gap; '
                         'let each running balance be the one before plus the entry, in the account''s currency, '
                         'at a time no earlier than the entry before and the account''s opening, on active accounts only, '
                         'within their limit.';
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION banking.apply_entries() FROM PUBLIC;
