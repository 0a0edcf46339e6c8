-- Validates every invariant of the ledger in one snapshot. No row means no violation.
CREATE OR REPLACE FUNCTION banking.audit() RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
-- Sorts and joins of a large journal then need few passes over their temporary files.
SET work_mem = '64MB'
AS $$
BEGIN
    -- Each check of the journal is a statement of its own. The server removes the temporary files
    -- of one statement before the next begins, and may run each with parallel workers. The function
    -- is STABLE, so all statements see the snapshot of the caller's statement.
    RETURN QUERY
    SELECT 'transfer sums to zero', entry.transfer_id::text,
           format('%s entries sum to %s', count(*),
                  sum(CASE entry.transaction_type WHEN 'credit' THEN entry.amount ELSE -entry.amount END))
    FROM banking.transactions AS entry
    GROUP BY entry.transfer_id
    HAVING sum(CASE entry.transaction_type WHEN 'credit' THEN entry.amount ELSE -entry.amount END) IS DISTINCT FROM 0
        OR count(*) <> 2;

    RETURN QUERY
    SELECT 'transfer has its entries', transfer.transfer_id::text,
           format('debit %s, credit %s', coalesce(debit.transaction_id::text, 'missing'),
                  coalesce(credit.transaction_id::text, 'missing'))
    FROM banking.transfers AS transfer
    LEFT JOIN banking.transactions AS debit
        ON debit.transfer_id = transfer.transfer_id AND debit.transaction_type = 'debit'
        AND debit.account_id = transfer.from_account_id AND debit.entry_number = transfer.from_entry_number
        AND debit.amount = transfer.amount AND debit.currency_code = transfer.currency_code
        AND debit.transaction_date = transfer.posted_at
    LEFT JOIN banking.transactions AS credit
        ON credit.transfer_id = transfer.transfer_id AND credit.transaction_type = 'credit'
        AND credit.account_id = transfer.to_account_id AND credit.entry_number = transfer.to_entry_number
        AND credit.amount = transfer.amount AND credit.currency_code = transfer.currency_code
        AND credit.transaction_date = transfer.posted_at
    WHERE debit.transaction_id IS NULL OR credit.transaction_id IS NULL;

    RETURN QUERY
    SELECT 'reversal goes back to its transfer', reversal.transfer_id::text,
           format('%s from %s to %s, of transfer %s', reversal.amount, reversal.from_account_id,
                  reversal.to_account_id, reversal.reverses_transfer_id)
    FROM banking.transfers AS reversal
    LEFT JOIN banking.transfers AS original ON original.transfer_id = reversal.reverses_transfer_id
    WHERE reversal.reverses_transfer_id IS NOT NULL
      AND (original.from_account_id = reversal.to_account_id
           AND original.to_account_id = reversal.from_account_id
           AND original.currency_code = reversal.currency_code
           AND original.reverses_transfer_id IS NULL) IS NOT TRUE;

    RETURN QUERY
    SELECT 'reversals are within their transfer', original.transfer_id::text,
           format('%s of %s', sum(reversal.amount), original.amount)
    FROM banking.transfers AS reversal
    JOIN banking.transfers AS original ON original.transfer_id = reversal.reverses_transfer_id
    GROUP BY original.transfer_id, original.amount
    HAVING sum(reversal.amount) > original.amount;

    RETURN QUERY
    SELECT 'transfer follows its group', member.transfer_id::text, format('group %s', member.group_id)
    FROM banking.transfers AS member
    WHERE left(member.transfer_id::text, 32) <> left(member.group_id::text, 32)
       OR right(member.group_id::text, 4) <> '0000';

    RETURN QUERY
    SELECT 'transfer is of its type', transfer.transfer_id::text,
           format('%s from %s to %s, reverses %s, group %s', transfer.transfer_type, transfer.from_account_id,
                  transfer.to_account_id, coalesce(transfer.reverses_transfer_id::text, 'nothing'),
                  coalesce(transfer.group_id::text, 'none'))
    FROM banking.transfers AS transfer
    WHERE (transfer.transfer_type = 'reversal') = (transfer.reverses_transfer_id IS NULL)
       OR (transfer.transfer_type IN ('journal_entry', 'exchange')
           AND (transfer.group_id IS NOT NULL
                AND EXISTS (
                    SELECT FROM banking.accounts AS account
                    WHERE account.account_id IN (transfer.from_account_id, transfer.to_account_id)
                      AND account.account_number
                          = CASE transfer.transfer_type WHEN 'exchange' THEN 'SYS-EXCHANGE-' ELSE 'SYS-CLEARING-' END
                            || transfer.currency_code
                )) IS NOT TRUE);

    RETURN QUERY
    SELECT 'entry has its transfer', entry.transaction_id::text, format('transfer %s is missing', entry.transfer_id)
    FROM banking.transactions AS entry
    WHERE NOT EXISTS (SELECT FROM banking.transfers AS t WHERE t.transfer_id = entry.transfer_id);

    RETURN QUERY
    SELECT 'transfer names accounts that exist', transfer.transfer_id::text,
           format('from %s, to %s', transfer.from_account_id, transfer.to_account_id)
    FROM banking.transfers AS transfer
    LEFT JOIN banking.accounts AS payer ON payer.account_id = transfer.from_account_id
    LEFT JOIN banking.accounts AS payee ON payee.account_id = transfer.to_account_id
    WHERE payer.account_id IS NULL OR payee.account_id IS NULL;

    RETURN QUERY
    SELECT invariant.check_name, entry.transaction_id::text, invariant.detail
    FROM (
        SELECT entry.transaction_id, entry.currency_code, account.currency_code AS account_currency_code, entry.amount,
               entry.currency_code IS NOT DISTINCT FROM account.currency_code
                   AND entry.amount IS NOT DISTINCT FROM round(entry.amount, account.minor_units) AS is_of_its_currency,
               entry.amount > 0 AND entry.amount < 1000000000000000000 AS is_positive
        FROM banking.transactions AS entry
        LEFT JOIN banking.accounts AS account ON account.account_id = entry.account_id
    ) AS entry
    CROSS JOIN LATERAL (VALUES
        ('entry is on an account of its currency', entry.is_of_its_currency,
         format('entry in %s, account %s', entry.currency_code, coalesce(entry.account_currency_code, 'missing'))),
        ('amount is a positive number', entry.is_positive, entry.amount::text)
    ) AS invariant (check_name, holds, detail)
    WHERE NOT (entry.is_of_its_currency AND entry.is_positive)
      AND NOT invariant.holds;

    RETURN QUERY
    SELECT invariant.check_name, entry.transaction_id::text, invariant.detail
    FROM (
        SELECT chained.*,
               chained.running_balance IS NOT DISTINCT FROM chained.balance_before + chained.movement AS adds_up,
               chained.entry_number = chained.number_before + 1 AS is_next,
               coalesce(chained.transaction_date >= chained.date_before, true) AS is_in_time
        FROM (
            SELECT entry.transaction_id, entry.entry_number, entry.running_balance, entry.transaction_date,
                   CASE entry.transaction_type WHEN 'credit' THEN entry.amount ELSE -entry.amount END AS movement,
                   lag(entry.running_balance, 1, 0::numeric) OVER by_number AS balance_before,
                   lag(entry.entry_number, 1, 0::bigint) OVER by_number AS number_before,
                   lag(entry.transaction_date) OVER by_number AS date_before
            FROM banking.transactions AS entry
            WINDOW by_number AS (PARTITION BY entry.account_id ORDER BY entry.entry_number)
        ) AS chained
    ) AS entry
    CROSS JOIN LATERAL (VALUES
        ('running balance is the one before plus the entry', entry.adds_up,
         format('%s is not %s plus %s', entry.running_balance, entry.balance_before, entry.movement)),
        ('entries are numbered without a gap', entry.is_next,
         format('%s follows %s', entry.entry_number, entry.number_before)),
        ('times of an account never go back', entry.is_in_time,
         format('%s follows %s', entry.transaction_date, entry.date_before))
    ) AS invariant (check_name, holds, detail)
    WHERE NOT (entry.adds_up AND entry.is_next AND entry.is_in_time)
      AND NOT invariant.holds;

    RETURN QUERY
    WITH summed AS (
        SELECT entry.account_id, count(*) AS entries, max(entry.entry_number) AS last_number, max(entry.transaction_date) AS last_date,
               sum(CASE entry.transaction_type WHEN 'credit' THEN entry.amount ELSE -entry.amount END) AS entries_sum
        FROM banking.transactions AS entry
        GROUP BY entry.account_id
    ),
    per_account AS (
        SELECT account.account_number, account.account_type, account.account_status, account.current_balance,
               account.held_balance, account.overdraft_limit, account.last_entry_number, account.last_entry_at,
               coalesce(summed.entries, 0) AS entries, coalesce(summed.entries_sum, 0) AS entries_sum, summed.last_date,
               coalesce(last_entry.running_balance, 0) AS last_running_balance
        FROM banking.accounts AS account
        LEFT JOIN summed ON summed.account_id = account.account_id
        LEFT JOIN banking.transactions AS last_entry
            ON last_entry.account_id = summed.account_id AND last_entry.entry_number = summed.last_number
    )
    SELECT 'balance is the sum of the entries', per_account.account_number,
           format('balance %s, entries sum to %s', per_account.current_balance, per_account.entries_sum)
    FROM per_account
    WHERE per_account.current_balance IS DISTINCT FROM per_account.entries_sum
    UNION ALL
    SELECT 'balance is the last running balance', per_account.account_number,
           format('balance %s, last running balance %s', per_account.current_balance, per_account.last_running_balance)
    FROM per_account
    WHERE per_account.current_balance IS DISTINCT FROM per_account.last_running_balance
    UNION ALL
    SELECT 'account knows its last entry', per_account.account_number,
           format('says number %s at %s, has %s entries, the last at %s', per_account.last_entry_number,
                  per_account.last_entry_at, per_account.entries, per_account.last_date)
    FROM per_account
    WHERE per_account.last_entry_number <> per_account.entries
       OR per_account.last_entry_at IS DISTINCT FROM per_account.last_date
    UNION ALL
    SELECT 'account is within its limit', per_account.account_number,
           format('balance %s, held %s, overdraft limit %s', per_account.current_balance,
                  per_account.held_balance, per_account.overdraft_limit)
    FROM per_account
    WHERE per_account.account_type <> 'system'
      AND NOT coalesce(per_account.current_balance - per_account.held_balance + per_account.overdraft_limit >= 0
                       AND per_account.current_balance < 1000000000000000000, false)
    UNION ALL
    SELECT 'closed account is empty', per_account.account_number, format('balance %s, held %s', per_account.current_balance, per_account.held_balance)
    FROM per_account
    WHERE per_account.account_status = 'closed' AND (per_account.current_balance <> 0 OR per_account.held_balance <> 0)
    UNION ALL
    SELECT 'clearing account is at zero', per_account.account_number, format('balance %s', per_account.current_balance)
    FROM per_account
    WHERE per_account.account_type = 'system' AND per_account.account_number LIKE 'SYS-CLEARING-%'
      AND per_account.current_balance <> 0
    UNION ALL
    SELECT 'accounts of a currency sum to zero', account.currency_code, sum(account.current_balance)::text
    FROM banking.accounts AS account
    GROUP BY account.currency_code
    HAVING sum(account.current_balance) <> 0;

    RETURN QUERY
    SELECT 'held balance is the sum of the open holds', account.account_number,
           format('held %s, open holds sum to %s', account.held_balance, coalesce(open_holds.remaining, 0))
    FROM banking.accounts AS account
    LEFT JOIN (
        SELECT hold.account_id, sum(hold.remaining) AS remaining
        FROM banking.holds AS hold WHERE hold.hold_status = 'open'
        GROUP BY hold.account_id
    ) AS open_holds ON open_holds.account_id = account.account_id
    WHERE account.held_balance <> coalesce(open_holds.remaining, 0);

    RETURN QUERY
    SELECT 'hold events continue their hold', event.event_id::text,
           format('event %s of hold %s: %s %s, %s remains of %s', event.event_number, event.hold_id, event.event_type,
                  event.amount, event.remaining, coalesce(event.remaining_before::text, 'nothing'))
    FROM (
        SELECT chained.*,
               lag(chained.remaining::numeric) OVER by_number AS remaining_before,
               lag(chained.event_number, 1, 0::bigint) OVER by_number AS number_before
        FROM banking.hold_events AS chained
        WINDOW by_number AS (PARTITION BY chained.hold_id ORDER BY chained.event_number)
    ) AS event
    WHERE NOT coalesce(
        event.event_number = event.number_before + 1
        AND (event.event_type = 'authorised') = (event.event_number = 1)
        AND event.remaining = CASE event.event_type WHEN 'authorised' THEN event.amount
                                   ELSE event.remaining_before - event.amount END, false);

    RETURN QUERY
    SELECT 'hold is as its last event left it', hold.hold_id::text,
           format('%s with %s, the last event is %s with %s', hold.hold_status, hold.remaining,
                  coalesce(last_event.event_type, 'missing'), coalesce(last_event.remaining::text, 'nothing'))
    FROM banking.holds AS hold
    LEFT JOIN LATERAL (
        SELECT * FROM banking.hold_events AS event
        WHERE event.hold_id = hold.hold_id
        ORDER BY event.event_number DESC LIMIT 1
    ) AS last_event ON true
    LEFT JOIN banking.hold_events AS first_event ON first_event.hold_id = hold.hold_id AND first_event.event_number = 1
    WHERE NOT coalesce(
        last_event.remaining = hold.remaining
        AND last_event.account_id = hold.account_id
        AND last_event.currency_code = hold.currency_code
        AND first_event.amount = hold.amount
        AND hold.hold_status = CASE WHEN last_event.remaining > 0 THEN 'open'
                                    WHEN last_event.transfer_id IS NOT NULL THEN 'captured'
                                    ELSE last_event.event_type END, false);

    RETURN QUERY
    SELECT 'hold changes before its end and ends after it', event.event_id::text,
           format('%s at %s, the hold ends at %s', event.event_type, event.occurred_at,
                  coalesce(hold.expires_at::text, 'no time'))
    FROM banking.hold_events AS event
    JOIN banking.holds AS hold ON hold.hold_id = event.hold_id
    WHERE NOT coalesce(CASE event.event_type
                           WHEN 'expired' THEN hold.expires_at <= event.occurred_at
                           ELSE hold.expires_at IS NULL OR event.occurred_at < hold.expires_at
                       END, false)
       OR (event.event_type = 'authorised' AND event.occurred_at <> hold.authorised_at);

    RETURN QUERY
    SELECT 'hold names a customer''s account', hold.hold_id::text,
           format('to %s, which is %s in %s', hold.to_account_id, coalesce(account.account_type, 'missing'),
                  coalesce(account.currency_code, 'no currency'))
    FROM banking.holds AS hold
    LEFT JOIN banking.accounts AS account ON account.account_id = hold.to_account_id
    WHERE hold.to_account_id IS NOT NULL
      AND NOT coalesce(account.account_type <> 'system' AND account.currency_code = hold.currency_code, false);

    RETURN QUERY
    SELECT 'hold event has its hold', event.event_id::text, format('hold %s is missing', event.hold_id)
    FROM banking.hold_events AS event
    WHERE NOT EXISTS (SELECT FROM banking.holds AS hold WHERE hold.hold_id = event.hold_id);

    RETURN QUERY
    SELECT 'capture has its transfer', coalesce(event.event_id, capture.transfer_id)::text,
           format('transfer %s, hold %s', coalesce(capture.transfer_id::text, 'missing'),
                  coalesce(event.hold_id, capture.hold_id))
    FROM (SELECT * FROM banking.hold_events AS captured WHERE captured.event_type = 'captured') AS event
    FULL JOIN (SELECT * FROM banking.transfers AS named WHERE named.hold_id IS NOT NULL) AS capture
        ON capture.transfer_id = event.transfer_id
    WHERE NOT coalesce(capture.hold_id = event.hold_id AND capture.amount = event.amount
                       AND capture.from_account_id = event.account_id, false);

    -- Postings find the bank's own accounts by their identifiers alone.
    RETURN QUERY
    SELECT 'system account is the bank''s own', account.account_number,
           format('%s, of type %s, in %s, customer %s', account.account_id, account.account_type, account.currency_code,
                  coalesce(account.customer_id::text, 'none'))
    FROM banking.accounts AS account
    WHERE (account.account_type = 'system' OR account.account_number LIKE 'SYS-%'
           OR (account.account_id >= '00000000-0000-8000-8000-000000000000'
               AND account.account_id <= '00000000-0000-8000-8000-ffffffffffff'))
      AND NOT (banking.is_system_account(account.account_id, account.account_number, account.account_type,
                                         account.currency_code, account.customer_id, account.overdraft_limit)
               AND account.account_status = 'active');

    RETURN QUERY
    SELECT 'closed period takes no transfer', transfer.transfer_id::text,
           format('booked at %s, value date %s, written at %s; %s is closed in %s since %s', transfer.posted_at,
                  coalesce(transfer.value_date::text, 'none'), transfer.created_at, closing.closed_through,
                  closing.currency_code, closing.occurred_at)
    FROM (
        SELECT closed.*,
               (SELECT min(undone.occurred_at) FROM banking.period_closings AS undone
                WHERE undone.currency_code = closed.currency_code AND undone.closing_type = 'reopened'
                  AND undone.closed_through = closed.closed_through
                  AND undone.closing_number > closed.closing_number) AS undone_at
        FROM banking.period_closings AS closed
        WHERE closed.closing_type = 'closed'
    ) AS closing
    JOIN banking.transfers AS transfer
        ON transfer.currency_code = closing.currency_code
        AND transfer.created_at > closing.occurred_at
        AND (closing.undone_at IS NULL OR transfer.created_at < closing.undone_at)
    WHERE transfer.posted_at < closing.ended_at OR transfer.value_date <= closing.closed_through;

    RETURN QUERY
    SELECT 'first open day follows the closings', currency.currency_code,
           format('%s, the last closing says %s', coalesce(currency.first_open_day::text, 'none'),
                  coalesce(newest.first_open_day::text, 'none'))
    FROM banking.currencies AS currency
    LEFT JOIN LATERAL (
        SELECT closing.first_open_day FROM banking.period_closings AS closing
        WHERE closing.currency_code = currency.currency_code
        ORDER BY closing.closing_number DESC LIMIT 1
    ) AS newest ON true
    WHERE currency.first_open_day IS DISTINCT FROM newest.first_open_day;

    RETURN QUERY
    SELECT 'account follows its customer', account.account_number,
           format('%s, its customer is %s', account.account_status, customer.customer_status)
    FROM banking.accounts AS account
    JOIN banking.customers AS customer ON customer.customer_id = account.customer_id
    WHERE account.account_status = CASE WHEN customer.customer_status IN ('suspended', 'closed')
                                        THEN 'active' ELSE 'blocked' END;

    RETURN QUERY
    SELECT 'account is marked by its limits', account.account_number,
           format('has_limits is %s', account.has_limits)
    FROM banking.accounts AS account
    WHERE account.has_limits <> EXISTS (
        SELECT FROM banking.account_limits AS own WHERE own.account_id = account.account_id
    );

    -- The results above are valid only while the guards are in place.
    RETURN QUERY SELECT guard.check_name, guard.subject, guard.detail FROM banking.audit_guards() AS guard;
END
$$;
REVOKE ALL ON FUNCTION banking.audit() FROM PUBLIC;
