-- Returns the events behind a position in the sealed order, at most p_limit: each sealed transfer and
-- hold event, with the balances of its accounts after it. The type is null where the sealed record
-- does not exist any more.
-- A capture belongs to the group of its transfer. The identifier of the hold or the release of step n
-- of a group, from 0, is that of the group plus n with the first bit of its variant cleared, which
-- no other identifier has cleared.
CREATE OR REPLACE FUNCTION banking.read_events(p_after bigint, p_limit integer)
RETURNS TABLE (
    event_position bigint,
    record_kind text,
    record_id uuid,
    event_type text,
    transfer_id uuid,
    group_id uuid,
    hold_id uuid,
    reverses_transfer_id uuid,
    amount numeric,
    currency_code text,
    occurred_at timestamptz,
    from_account_id uuid,
    from_entry_number bigint,
    from_balance numeric,
    to_account_id uuid,
    to_entry_number bigint,
    to_balance numeric,
    hold_event_number bigint,
    hold_remaining numeric,
    held_balance numeric
)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_nestloop = on
SET jit = off
AS $$
    WITH place AS MATERIALIZED (
        SELECT seal.first_position + n - 1 AS event_position,
               get_byte(seal.record_kinds, n::integer - 1) AS record_kind,
               encode(substring(seal.record_ids FROM (16 * n - 15)::integer FOR 16), 'hex')::uuid AS record_id
        FROM banking.seals AS seal
        CROSS JOIN LATERAL generate_series(
            greatest(p_after - seal.first_position + 2, 1),
            least(p_after + p_limit - seal.first_position + 1, seal.record_count)
        ) AS n
        WHERE seal.first_position >= (
                  SELECT max(earlier.first_position) FROM banking.seals AS earlier
                  WHERE earlier.first_position <= greatest(p_after, 0) + 1
              )
          AND seal.first_position <= p_after + p_limit
    )
    SELECT place.event_position,
           CASE place.record_kind WHEN ascii('t') THEN 'transfer' ELSE 'hold_event' END,
           place.record_id, record.*
    FROM place
    LEFT JOIN LATERAL (
        SELECT transfer.transfer_type::text, transfer.transfer_id, transfer.group_id,
               transfer.hold_id, transfer.reverses_transfer_id, transfer.amount::numeric,
               transfer.currency_code, transfer.posted_at, transfer.from_account_id,
               transfer.from_entry_number, debit.running_balance::numeric, transfer.to_account_id,
               transfer.to_entry_number, credit.running_balance::numeric, NULL::bigint,
               NULL::numeric, NULL::numeric
        FROM banking.transfers AS transfer
        JOIN banking.transactions AS debit
            ON debit.account_id = transfer.from_account_id
            AND debit.transaction_date = transfer.posted_at
            AND debit.entry_number = transfer.from_entry_number
        JOIN banking.transactions AS credit
            ON credit.account_id = transfer.to_account_id
            AND credit.transaction_date = transfer.posted_at
            AND credit.entry_number = transfer.to_entry_number
        WHERE place.record_kind = ascii('t') AND transfer.transfer_id = place.record_id
        UNION ALL
        SELECT event.event_type::text, event.transfer_id,
               CASE
                   WHEN event.transfer_id IS NOT NULL THEN capture.group_id
                   WHEN substr(event.event_id::text, 20, 1) IN ('0', '1', '2', '3') THEN
                       (left(event.event_id::text, 19)
                        || translate(substr(event.event_id::text, 20, 1), '0123', '89ab')
                        || substr(event.event_id::text, 21, 12)
                        || '0000')::uuid
               END,
               event.hold_id, NULL,
               event.amount::numeric, event.currency_code, event.occurred_at, event.account_id,
               NULL, NULL, hold.to_account_id, NULL, NULL, event.event_number,
               event.remaining::numeric, event.held_balance::numeric
        FROM banking.hold_events AS event
        JOIN banking.holds AS hold ON hold.hold_id = event.hold_id
        LEFT JOIN banking.transfers AS capture ON capture.transfer_id = event.transfer_id
        WHERE place.record_kind = ascii('h') AND event.event_id = place.record_id
    ) AS record ON true
    ORDER BY place.event_position
    LIMIT p_limit
$$;
REVOKE ALL ON FUNCTION banking.read_events(bigint, integer) FROM PUBLIC;
