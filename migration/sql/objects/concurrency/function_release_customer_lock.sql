-- Whether this session holds the lock of a customer. It frees nothing: a lock for a transaction ends with it, when the
-- others can see what was done under it. False means that there was no lock at all, for example because
-- acquire_customer_lock returned false, or ran in another transaction.
CREATE OR REPLACE FUNCTION concurrency.release_customer_lock(p_customer_id uuid) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF p_customer_id IS NULL THEN
        RAISE EXCEPTION 'p_customer_id must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    RETURN EXISTS (
        SELECT FROM concurrency.v_held_locks AS held
        WHERE held.lock_key = concurrency.lock_key('customer', p_customer_id::text)
          AND held.process_id = pg_backend_pid()
          AND held.granted
    );
END
$$;
COMMENT ON FUNCTION concurrency.release_customer_lock(uuid) IS 'Whether this session holds the lock of a customer, which is freed when the transaction ends and not before.';
REVOKE ALL ON FUNCTION concurrency.release_customer_lock(uuid) FROM PUBLIC;
