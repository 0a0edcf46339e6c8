-- Deletes names without a lock or a lease that were first used more than p_keep_seconds ago, at
-- most p_limit of them and at most 1000, and returns their number. The next holder of a deleted
-- name has a higher fencing token than every earlier holder: tokens of new names begin above those
-- of all deleted names.
--
-- Each name is locked until the end of the transaction. One caller deletes at a time; another gets
-- 0.
CREATE OR REPLACE FUNCTION concurrency.delete_lock_names(p_keep_seconds double precision, p_limit integer)
RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_name record;
    v_token bigint;
    v_deleted bigint := 0;
BEGIN
    IF p_keep_seconds IS NULL OR p_limit IS NULL THEN
        RAISE EXCEPTION 'p_keep_seconds and p_limit must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT pg_try_advisory_xact_lock(concurrency.lock_key('neobank', 'delete_lock_names')) THEN
        RETURN 0;
    END IF;
    FOR v_name IN
        SELECT known.lock_key FROM concurrency.lock_names AS known
        WHERE known.first_used_at < clock_timestamp() - make_interval(secs => greatest(p_keep_seconds, 0))
          AND NOT EXISTS (SELECT FROM concurrency.lock_leases AS lease
                          WHERE lease.lock_key = known.lock_key AND lease.expires_at > clock_timestamp())
    LOOP
        EXIT WHEN v_deleted >= least(p_limit, 1000);
        -- A session that wants the name waits for this lock, and then finds no row.
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(v_name.lock_key);
        DELETE FROM concurrency.lock_leases AS lease
        WHERE lease.lock_key = v_name.lock_key AND lease.expires_at <= clock_timestamp();
        -- SKIP LOCKED passes over a name whose token another session is checking.
        SELECT known.fencing_token INTO v_token FROM concurrency.lock_names AS known
        WHERE known.lock_key = v_name.lock_key
          AND NOT EXISTS (SELECT FROM concurrency.lock_leases AS lease WHERE lease.lock_key = known.lock_key)
        FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        -- The floor is a sequence, because every transaction reads a sequence's newest value,
        -- however old the transaction's snapshot is.
        PERFORM setval('concurrency.fencing_token_floor', greatest(v_token, floor.last_value))
        FROM concurrency.fencing_token_floor AS floor;
        DELETE FROM concurrency.lock_names AS known WHERE known.lock_key = v_name.lock_key;
        v_deleted := v_deleted + 1;
    END LOOP;
    RETURN v_deleted;
END
$$;
REVOKE ALL ON FUNCTION concurrency.delete_lock_names(double precision, integer) FROM PUBLIC;
