-- Extends a lease: until p_time_to_live_ms from now. Returns null when it does not exist any more;
-- an expired lease is not renewed, even if no other holder has taken the name. Only the holder has
-- p_holder: concurrency.lock_leases contains only its hash (concurrency.lease_holder()).
DROP FUNCTION IF EXISTS concurrency.renew_lease(text, text, bigint, integer);
CREATE OR REPLACE FUNCTION concurrency.renew_lease(
    p_namespace text,
    p_identifier text,
    p_holder uuid,
    p_fencing_token bigint,
    p_time_to_live_ms integer
)
RETURNS timestamptz
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_expires_at timestamptz;
BEGIN
    IF p_namespace IS NULL OR p_identifier IS NULL OR p_holder IS NULL OR p_fencing_token IS NULL OR p_time_to_live_ms IS NULL THEN
        RAISE EXCEPTION 'p_namespace, p_identifier, p_holder, p_fencing_token and p_time_to_live_ms must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF p_time_to_live_ms <= 0 THEN
        RAISE EXCEPTION 'p_time_to_live_ms must be positive: %', p_time_to_live_ms
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- The row is locked before the clock is read, because the wait for it may be long.
    PERFORM FROM concurrency.lock_leases AS lease
    WHERE lease.lock_key = concurrency.lock_key(p_namespace, p_identifier)
      AND lease.fencing_token = p_fencing_token AND lease.holder = concurrency.lease_holder(p_holder)
    FOR NO KEY UPDATE;
    UPDATE concurrency.lock_leases AS lease
    SET expires_at = clock_timestamp() + make_interval(secs => p_time_to_live_ms / 1000.0)
    WHERE lease.lock_key = concurrency.lock_key(p_namespace, p_identifier)
      AND lease.fencing_token = p_fencing_token AND lease.holder = concurrency.lease_holder(p_holder)
      AND lease.expires_at > clock_timestamp()
    RETURNING lease.expires_at INTO v_expires_at;
    RETURN v_expires_at;
END
$$;
REVOKE ALL ON FUNCTION concurrency.renew_lease(text, text, uuid, bigint, integer) FROM PUBLIC;
