-- Returns the end of the sealed order, and how many records wait to be sealed and for how long. It
-- counts at most 100,000 records. Records of transactions that still run are not counted.
-- SECURITY DEFINER, so that a monitoring role sees the figures and no record.
CREATE OR REPLACE FUNCTION banking.sealing_lag()
RETURNS TABLE (
    seal_number bigint,
    last_position bigint,
    waiting_records bigint,
    waiting_seconds double precision
)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_last record;
    v_before bigint;
    v_running bigint[];
    -- True if records of transactions that ran at the last snapshot may have committed.
    v_has_late boolean;
    v_since timestamptz;
    v_oldest timestamptz;
BEGIN
    SELECT seal.seal_number, seal.last_position, seal.sealed_until
    INTO v_last
    FROM banking.seals AS seal ORDER BY seal.seal_number DESC LIMIT 1;
    seal_number := coalesce(v_last.seal_number, 0);
    last_position := coalesce(v_last.last_position, 0);
    v_since := coalesce(v_last.sealed_until, '-infinity');
    SELECT seal.transactions_before, string_to_array(seal.transactions_running, ',')::bigint[]
    INTO v_before, v_running
    FROM banking.seals AS seal WHERE seal.is_complete ORDER BY seal.seal_number DESC LIMIT 1;
    v_has_late := v_running <> '{}';
    -- Each call plans for its own values, so that a null v_before leaves no condition in the plan,
    -- and each arm has a condition that the index answers.
    SELECT count(*), min(waiting.created_at) INTO waiting_records, v_oldest
    FROM (
        (SELECT transfer.created_at FROM banking.transfers AS transfer
         WHERE (v_before IS NULL OR transfer.transaction_number >= v_before)
           AND transfer.posted_at > v_since LIMIT 100000)
        UNION ALL
        (SELECT transfer.created_at FROM banking.transfers AS transfer
         WHERE v_has_late AND transfer.transaction_number = ANY (v_running)
           AND transfer.posted_at > v_since LIMIT 100000)
        UNION ALL
        (SELECT event.created_at FROM banking.hold_events AS event
         WHERE (v_before IS NULL OR event.transaction_number >= v_before)
           AND event.occurred_at > v_since LIMIT 100000)
        UNION ALL
        (SELECT event.created_at FROM banking.hold_events AS event
         WHERE v_has_late AND event.transaction_number = ANY (v_running)
           AND event.occurred_at > v_since LIMIT 100000)
    ) AS waiting;
    waiting_records := least(waiting_records, 100000);
    waiting_seconds := greatest(
        coalesce(extract(epoch FROM clock_timestamp() - v_oldest), 0), 0)::double precision;
    RETURN NEXT;
END
$$;
REVOKE ALL ON FUNCTION banking.sealing_lag() FROM PUBLIC;
