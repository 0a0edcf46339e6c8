-- Takes a lease on a name, which needs no open connection: until p_time_to_live_ms from now by the
-- database's clock. Returns one row as concurrency.take_locks does, with the lease's own end where
-- it was granted. p_holder is the holder's secret, which renews and releases the lease; other
-- sessions see its hash, lease_holder.
CREATE OR REPLACE FUNCTION concurrency.acquire_lease(
    p_namespace text,
    p_identifier text,
    p_holder uuid,
    p_time_to_live_ms integer,
    p_timeout_ms integer DEFAULT 5000
)
RETURNS TABLE (
    outcome text,
    namespace text,
    identifier text,
    fencing_token bigint,
    holders integer[],
    other_namespace text,
    other_identifier text,
    other_key bigint,
    lease_holder uuid,
    lease_expires_at timestamptz
)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_taken record;
BEGIN
    IF p_holder IS NULL OR p_time_to_live_ms IS NULL THEN
        RAISE EXCEPTION 'p_holder and p_time_to_live_ms must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF p_time_to_live_ms <= 0 THEN
        RAISE EXCEPTION 'p_time_to_live_ms must be positive: %', p_time_to_live_ms
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- The lock ends with this transaction; the lease outlives it.
    SELECT * INTO STRICT v_taken
    FROM concurrency.take_locks(ARRAY[p_namespace], ARRAY[p_identifier], p_timeout_ms);
    IF v_taken.outcome = 'granted' THEN
        v_taken.lease_holder := concurrency.lease_holder(p_holder);
        INSERT INTO concurrency.lock_leases (lock_key, holder, fencing_token, expires_at)
        VALUES (concurrency.lock_key(p_namespace, p_identifier), v_taken.lease_holder, v_taken.fencing_token,
                clock_timestamp() + make_interval(secs => p_time_to_live_ms / 1000.0))
        RETURNING expires_at INTO v_taken.lease_expires_at;
    END IF;
    RETURN QUERY SELECT
        v_taken.outcome, v_taken.namespace, v_taken.identifier, v_taken.fencing_token, v_taken.holders,
        v_taken.other_namespace, v_taken.other_identifier, v_taken.other_key,
        v_taken.lease_holder, v_taken.lease_expires_at;
END
$$;
REVOKE ALL ON FUNCTION concurrency.acquire_lease(text, text, uuid, integer, integer) FROM PUBLIC;
