-- Internal: as apply_balances(), for a call with hold events. It sets the book balance and the held
-- balance of every account in one statement, and rejects the call unless the entries and the events
-- continue each account.
--
-- The steps of an account are its entries and its events. The entry number of an event is that of
-- the account's last entry before it, and events without an entry between them follow each other in
-- the order of the call. No step may leave less than nothing available. A hold and a capture need
-- an active account; a release and the end of a hold's time do not.
-- The callers, the posting functions, pin the planner's settings for the statements of this one.
CREATE OR REPLACE FUNCTION banking.apply_balances_and_holds(
    p_transfers banking.new_transfer[],
    p_now timestamptz,
    p_hold_events banking.new_hold_event[],
    p_fence_account_id uuid DEFAULT NULL,
    p_fence_version bigint DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_accounts bigint;
    v_applied bigint;
    v_has_limits boolean;
BEGIN
    -- The accounts are locked after the transaction's start, so a decision on their holds is later.
    IF EXISTS (
        SELECT FROM unnest(p_hold_events) AS event
        WHERE (event.occurred_at >= transaction_timestamp()) IS NOT TRUE
    ) THEN
        RAISE EXCEPTION 'hold events lie before the transaction'
            USING ERRCODE = 'NB002',
                  HINT = 'Take the time from clock_timestamp() after locking the accounts.';
    END IF;
    IF EXISTS (
        SELECT FROM (
            SELECT event.entry_number < lag(event.entry_number) OVER (
                       PARTITION BY event.account_id ORDER BY event.place
                   ) AS goes_back
            FROM unnest(p_hold_events) AS event
        ) AS step
        WHERE step.goes_back
    ) THEN
        RAISE EXCEPTION 'hold events are not in the order of their accounts'' entries'
            USING ERRCODE = 'NB002';
    END IF;
    IF EXISTS (
        SELECT FROM unnest(p_hold_events) AS event
        WHERE (event.occurred_at <= p_now AND event.amount > 0) IS NOT TRUE
    ) OR EXISTS (
        SELECT FROM unnest(p_transfers) AS transfer
        WHERE transfer.posted_at > p_now
          AND transfer.posted_at > (
              SELECT coalesce(max(account.last_entry_at), '-infinity')
              FROM banking.accounts AS account
              WHERE account.account_id IN (transfer.from_account_id, transfer.to_account_id)
          )
          AND NOT EXISTS (
              SELECT FROM unnest(p_transfers) AS other
              CROSS JOIN LATERAL (
                  SELECT FROM banking.accounts AS account
                  WHERE account.account_id IN (other.from_account_id, other.to_account_id)
                    AND account.last_entry_at >= transfer.posted_at
                  OFFSET 0
              ) AS earlier
          )
    ) THEN
        RAISE EXCEPTION 'entries or hold events lie in the future'
            USING ERRCODE = 'NB002',
                  HINT = 'Take the time from clock_timestamp() after locking the accounts.';
    END IF;

    WITH steps AS (
        SELECT transfer.from_account_id AS account_id, transfer.from_entry_number AS entry_number,
               0::bigint AS place, true AS is_entry, true AS needs_active,
               -transfer.amount AS movement, 0::numeric AS reserved,
               transfer.from_balance AS running_balance, NULL::numeric AS held_balance,
               transfer.currency_code, transfer.posted_at
        FROM unnest(p_transfers) AS transfer
        UNION ALL
        SELECT transfer.to_account_id, transfer.to_entry_number, 0, true, true, transfer.amount, 0,
               transfer.to_balance, NULL, transfer.currency_code, transfer.posted_at
        FROM unnest(p_transfers) AS transfer
        UNION ALL
        SELECT event.account_id, event.entry_number, event.place, false,
               event.event_type = 'authorised', 0,
               CASE event.event_type WHEN 'authorised' THEN event.amount ELSE -event.amount END,
               NULL, event.held_balance, event.currency_code, NULL
        FROM unnest(p_hold_events) AS event
    ),
    running AS (
        SELECT steps.*,
               sum(steps.movement) OVER by_step AS moved,
               sum(steps.reserved) OVER by_step AS reserved_so_far,
               -- max() ignores the events, which have no such time and number.
               max(steps.posted_at) OVER before_it AS date_before,
               max(CASE WHEN steps.is_entry THEN steps.entry_number END) OVER before_it
                   AS number_before
        FROM steps
        WINDOW by_step AS (
                   PARTITION BY steps.account_id ORDER BY steps.entry_number, steps.place
                   ROWS UNBOUNDED PRECEDING
               ),
               before_it AS (
                   PARTITION BY steps.account_id ORDER BY steps.entry_number, steps.place
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               )
    ),
    movements AS (
        SELECT running.account_id,
               count(*) AS steps,
               min(running.entry_number) FILTER (WHERE running.is_entry) AS first_number,
               max(running.entry_number) FILTER (WHERE running.is_entry) AS last_number,
               min(running.entry_number) FILTER (WHERE NOT running.is_entry) AS first_event,
               max(running.entry_number) FILTER (WHERE NOT running.is_entry) AS last_event,
               min(running.posted_at) AS first_date,
               max(running.posted_at) AS last_date,
               min(running.currency_code) AS currency_code,
               max(greatest(scale(running.movement), scale(running.reserved))) AS decimals,
               sum(running.movement) AS movement,
               sum(running.reserved) AS reserved,
               bool_or(running.needs_active) AS needs_active,
               bool_or(NOT running.is_entry) AS has_events,
               bool_and(
                   NOT running.is_entry
                   OR running.number_before IS NULL
                   OR (running.entry_number = running.number_before + 1
                       AND running.posted_at >= running.date_before)
               )
               AND min(running.currency_code) = max(running.currency_code) AS unbroken,
               -- What each step says of the balances before the call.
               min(running.running_balance - running.moved) AS lowest_start,
               max(running.running_balance - running.moved) AS highest_start,
               min(running.held_balance - running.reserved_so_far) AS lowest_held,
               max(running.held_balance - running.reserved_so_far) AS highest_held,
               min(running.moved - running.reserved_so_far) AS lowest_change,
               min(running.reserved_so_far) AS lowest_reserved
        FROM running
        GROUP BY running.account_id
        -- The order in which every writer locks accounts.
        ORDER BY running.account_id
    ),
    applied AS (
        UPDATE banking.accounts AS account
        SET current_balance = account.current_balance + movements.movement,
            held_balance = account.held_balance + movements.reserved,
            last_entry_number = coalesce(movements.last_number, account.last_entry_number),
            last_entry_at = coalesce(movements.last_date, account.last_entry_at),
            version = account.version + movements.steps,
            updated_at = greatest(
                clock_timestamp(), account.updated_at + interval '1 microsecond'
            )
        FROM movements
        WHERE account.account_id = movements.account_id
          AND movements.unbroken
          AND (account.account_status = 'active' OR NOT movements.needs_active)
          AND account.currency_code = movements.currency_code
          AND (account.current_balance + movements.movement = 0
               OR account.account_number NOT LIKE 'SYS-CLEARING-%')
          AND account.minor_units >= movements.decimals
          AND (movements.first_number IS NULL
               OR account.last_entry_number + 1 = movements.first_number
                  AND account.current_balance = movements.lowest_start
                  AND account.current_balance = movements.highest_start
                  AND (account.last_entry_at IS NULL
                       OR account.last_entry_at <= movements.first_date)
                  AND (account.opened_at <= movements.first_date
                       OR account.account_type = 'system' OR account.opened_at > p_now))
          AND (NOT movements.has_events
               OR account.account_type <> 'system'
                  AND account.held_balance = movements.lowest_held
                  AND account.held_balance = movements.highest_held
                  AND account.held_balance + movements.lowest_reserved >= 0
                  AND movements.first_event >= account.last_entry_number
                  AND movements.last_event
                      <= coalesce(movements.last_number, account.last_entry_number))
          AND (account.version = p_fence_version
               OR account.account_id IS DISTINCT FROM p_fence_account_id)
          -- As in apply_balances().
          AND (p_fence_account_id IS NULL OR NOT account.has_limits)
          -- The account's own check sees only where the balances end.
          AND coalesce(
              account.current_balance - account.held_balance + account.overdraft_limit
                  + movements.lowest_change >= 0,
              true
          )
        RETURNING account.has_limits
    )
    SELECT (SELECT count(*) FROM movements), count(*), coalesce(bool_or(applied.has_limits), false)
    INTO v_accounts, v_applied, v_has_limits
    FROM applied;

    IF v_applied <> v_accounts THEN
        RAISE EXCEPTION 'entries and hold events do not continue their accounts: % of % accounts fit',
                v_applied, v_accounts
            USING ERRCODE = 'NB002',
                  HINT = 'Lock the accounts first; let each entry and each hold event continue its '
                         'account, in the account''s currency, within its limit. Entries, holds '
                         'and captures need active accounts.';
    END IF;
    RETURN v_has_limits;
END
$$;
REVOKE ALL ON FUNCTION banking.apply_balances_and_holds(
    banking.new_transfer[], timestamptz, banking.new_hold_event[], uuid, bigint
) FROM PUBLIC;
