-- Returns whether this session holds the lock of a customer. It releases nothing: a transaction's
-- lock ends with it, when other sessions can see its changes. False means that there was no lock,
-- for example because acquire_customer_lock returned false, or ran in another transaction.
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
COMMENT ON FUNCTION concurrency.release_customer_lock(uuid) IS 'True if this session holds the lock of a customer, which lasts until the transaction ends.';
REVOKE ALL ON FUNCTION concurrency.release_customer_lock(uuid) FROM PUBLIC;
