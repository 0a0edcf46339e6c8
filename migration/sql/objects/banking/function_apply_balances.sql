-- Internal: the only function that changes a balance. It returns true if the caller still has to
-- call require_limits(): an account has limits. It updates the balances of all accounts of
-- new transfers, and rejects the call unless the entries continue each account without a gap. p_now
-- is the time of the call. The fence, where there is one, is one of the accounts: it must still
-- have p_fence_version when its balance moves. No entry lies before its account was opened, which
-- only an importer may date back; the bank's own accounts take the history of others. An opening
-- ahead of the clock, which was set back then, does not count. The callers, the posting functions
-- and the journal's trigger, pin the planner's settings for the statements of this one, all to the
-- same values: a session's plans serve all of them.
CREATE OR REPLACE FUNCTION banking.apply_balances(
    p_transfers banking.new_transfer[],
    p_now timestamptz,
    p_fence_account_id uuid DEFAULT NULL,
    p_fence_version bigint DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_first banking.new_transfer := p_transfers[1];
    v_is_alone boolean := cardinality(p_transfers) = 1;
    v_latest timestamptz := v_first.posted_at;
    v_accounts bigint := 2;
    v_applied bigint;
    v_has_limits boolean := false;
BEGIN
    -- Times never go back, so one entry in the future would drag every later one there. Only a
    -- clock that was set back leaves accounts whose last entry lies ahead of it; nothing goes
    -- further ahead than those.
    IF NOT v_is_alone THEN
        SELECT max(transfer.posted_at) INTO v_latest FROM unnest(p_transfers) AS transfer;
    END IF;
    IF v_latest > p_now THEN
        IF v_latest > (
            SELECT coalesce(max(account.last_entry_at), '-infinity')
            FROM unnest(p_transfers) AS transfer
            CROSS JOIN LATERAL (
                SELECT last_entry_at FROM banking.accounts
                WHERE account_id IN (transfer.from_account_id, transfer.to_account_id)
                OFFSET 0
            ) AS account
        ) THEN
            RAISE EXCEPTION 'entries lie in the future: %', v_latest
                USING ERRCODE = 'NB002',
                      HINT = 'Take the time from clock_timestamp() after locking the accounts.';
        END IF;
    END IF;

    IF v_is_alone THEN
        -- The accounts of one transfer differ, so each has one entry and there is no chain.
        -- Starting the statement for many would cost such a call a sixth of its time.
        UPDATE banking.accounts AS account
        SET current_balance = side.running_balance,
            last_entry_number = side.entry_number,
            last_entry_at = v_first.posted_at,
            version = account.version + 1,
            updated_at = greatest(
                clock_timestamp(), account.updated_at + interval '1 microsecond'
            )
        FROM (
            SELECT v_first.from_account_id AS account_id,
                   v_first.from_entry_number AS entry_number,
                   v_first.from_balance AS running_balance, -v_first.amount AS movement
            UNION ALL
            SELECT v_first.to_account_id, v_first.to_entry_number, v_first.to_balance,
                   v_first.amount
            -- The order in which every writer locks accounts.
            ORDER BY account_id
        ) AS side
        WHERE account.account_id = side.account_id
          AND account.account_status = 'active'
          AND account.currency_code = v_first.currency_code
          -- One transfer cannot leave a clearing account at zero.
          AND account.account_number NOT LIKE 'SYS-CLEARING-%'
          AND account.minor_units >= scale(side.movement)
          AND account.last_entry_number + 1 = side.entry_number
          AND account.current_balance + side.movement = side.running_balance
          AND (account.last_entry_at IS NULL OR account.last_entry_at <= v_first.posted_at)
          AND (account.opened_at <= v_first.posted_at OR account.account_type = 'system'
               OR account.opened_at > p_now)
          AND (account.version = p_fence_version
               OR account.account_id IS DISTINCT FROM p_fence_account_id)
          -- A call with a fence was decided without locks, and so without the use of limits.
          AND (p_fence_account_id IS NULL OR NOT account.has_limits);
        GET DIAGNOSTICS v_applied = ROW_COUNT;
        IF p_fence_account_id IS NULL THEN
            v_has_limits := EXISTS (
                SELECT FROM banking.account_limits AS own
                WHERE own.account_id IN (v_first.from_account_id, v_first.to_account_id)
            );
        END IF;
    ELSE
        WITH chained AS (
            SELECT entry.*,
                   lag(entry.entry_number) OVER by_number AS number_before,
                   lag(entry.running_balance) OVER by_number AS balance_before,
                   lag(entry.posted_at) OVER by_number AS date_before,
                   lead(entry.entry_number) OVER by_number IS NULL AS is_last
            FROM (
                SELECT transfer.from_account_id AS account_id, transfer.from_entry_number AS entry_number,
                       transfer.from_balance AS running_balance, -transfer.amount AS movement,
                       transfer.currency_code, transfer.posted_at
                FROM unnest(p_transfers) AS transfer
                UNION ALL
                SELECT transfer.to_account_id, transfer.to_entry_number, transfer.to_balance, transfer.amount,
                       transfer.currency_code, transfer.posted_at
                FROM unnest(p_transfers) AS transfer
            ) AS entry
            WINDOW by_number AS (PARTITION BY entry.account_id ORDER BY entry.entry_number)
        ),
        movements AS (
            SELECT chained.account_id,
                   count(*) AS entries,
                   min(chained.entry_number) AS first_number,
                   max(chained.entry_number) AS last_number,
                   min(chained.posted_at) AS first_date,
                   max(chained.posted_at) AS last_date,
                   min(chained.currency_code) AS currency_code,
                   max(scale(chained.movement)) AS decimals,
                   sum(chained.movement) AS movement,
                   bool_and(
                       chained.number_before IS NULL
                       OR (
                           chained.entry_number = chained.number_before + 1
                           AND chained.running_balance
                               = chained.balance_before + chained.movement
                           AND chained.posted_at >= chained.date_before
                       )
                   )
                   AND min(chained.currency_code) = max(chained.currency_code) AS unbroken,
                   max(chained.running_balance) FILTER (WHERE chained.is_last) AS last_balance,
                   min(chained.running_balance) AS lowest_balance
            FROM chained
            GROUP BY chained.account_id
            -- The order in which every writer locks accounts.
            ORDER BY chained.account_id
        ),
        applied AS (
            UPDATE banking.accounts AS account
            SET current_balance = movements.last_balance,
                last_entry_number = movements.last_number,
                last_entry_at = movements.last_date,
                version = account.version + movements.entries,
                updated_at = greatest(
                    clock_timestamp(), account.updated_at + interval '1 microsecond'
                )
            FROM movements
            WHERE account.account_id = movements.account_id
              AND movements.unbroken
              AND account.account_status = 'active'
              AND account.currency_code = movements.currency_code
              -- The lines of a journal entry sum to zero.
              AND (movements.last_balance = 0
                   OR account.account_number NOT LIKE 'SYS-CLEARING-%')
              AND account.minor_units >= movements.decimals
              AND account.last_entry_number + 1 = movements.first_number
              AND account.current_balance + movements.movement = movements.last_balance
              AND (account.last_entry_at IS NULL OR account.last_entry_at <= movements.first_date)
              AND (account.opened_at <= movements.first_date OR account.account_type = 'system'
                   OR account.opened_at > p_now)
              -- The account's own check sees only where the balance ends.
              AND (movements.lowest_balance = movements.last_balance
                   OR coalesce(
                       movements.lowest_balance - account.held_balance
                           + account.overdraft_limit >= 0,
                       true
                   ))
              AND (account.version = p_fence_version
                   OR account.account_id IS DISTINCT FROM p_fence_account_id)
              AND (p_fence_account_id IS NULL OR NOT account.has_limits)
            RETURNING account.has_limits
        )
        SELECT (SELECT count(*) FROM movements), count(*), coalesce(bool_or(applied.has_limits), false)
        INTO v_accounts, v_applied, v_has_limits
        FROM applied;
    END IF;

    IF v_applied <> v_accounts THEN
        RAISE EXCEPTION 'entries do not continue their accounts: % of % accounts fit',
                v_applied, v_accounts
            USING ERRCODE = 'NB002',
                  HINT = 'Lock the accounts first; number the entries on from last_entry_number '
                         'without a gap; let each running balance be the one before plus the '
                         'entry, in the account''s currency, at a time no earlier than the entry '
                         'before and the account''s opening, on active accounts only, within '
                         'their limit.';
    END IF;
    RETURN v_has_limits;
END
$$;
REVOKE ALL ON FUNCTION banking.apply_balances(
    banking.new_transfer[], timestamptz, uuid, bigint
) FROM PUBLIC;
