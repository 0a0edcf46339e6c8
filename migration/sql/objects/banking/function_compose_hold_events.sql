-- Internal: returns the hold events of a posting function, a JSON array of objects, as one array.
-- The members have the names of the fields of banking.new_hold_event; the amounts are texts, and
-- the place is the position in the array. p_now, where it is given, is the time of every event.
CREATE OR REPLACE FUNCTION banking.compose_hold_events(
    p_hold_events jsonb,
    p_now timestamptz DEFAULT NULL
) RETURNS banking.new_hold_event[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(
            event.place, event.event_id, event.hold_id, event.event_type, event.account_id,
            event.entry_number, event.amount, event.currency_code, event.remaining,
            event.held_balance, coalesce(p_now, event.occurred_at), event.transfer_id,
            event.to_account_id, event.expires_at, event.description, event.idempotency_key,
            event.request_hash, event.actor, event.metadata
        )::banking.new_hold_event
        FROM ROWS FROM (
            jsonb_to_recordset(p_hold_events) AS (
                event_id uuid, hold_id uuid, event_type text, account_id uuid,
                entry_number bigint, amount numeric, currency_code text, remaining numeric,
                held_balance numeric, occurred_at timestamptz, transfer_id uuid,
                to_account_id uuid, expires_at timestamptz, description text,
                idempotency_key text, request_hash text, actor text, metadata jsonb
            )
        ) WITH ORDINALITY AS event (
            event_id, hold_id, event_type, account_id, entry_number, amount, currency_code,
            remaining, held_balance, occurred_at, transfer_id, to_account_id, expires_at,
            description, idempotency_key, request_hash, actor, metadata, place
        )
        ORDER BY event.place
    );
END
$$;
REVOKE ALL ON FUNCTION banking.compose_hold_events(jsonb, timestamptz) FROM PUBLIC;
