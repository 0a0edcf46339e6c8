-- Takes the lock of a customer for the current transaction. Returns true when it was granted within
-- p_timeout_ms milliseconds, and false otherwise; 0 does not wait, and a leased customer is not
-- waited for either. The lock is the same as Rust's LockName::customer. It ends with the
-- transaction, so it has no effect outside of one.
CREATE OR REPLACE FUNCTION concurrency.acquire_customer_lock(p_customer_id uuid, p_timeout_ms integer DEFAULT 5000)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_taken record;
BEGIN
    IF p_customer_id IS NULL OR p_timeout_ms IS NULL THEN
        RAISE EXCEPTION 'p_customer_id and p_timeout_ms must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT * INTO STRICT v_taken
    FROM concurrency.take_locks(ARRAY['customer'], ARRAY[p_customer_id::text], p_timeout_ms);
    IF v_taken.outcome = 'collision' THEN
        RAISE EXCEPTION 'the lock of customer % has the same key as the lock of % %',
                p_customer_id, v_taken.other_namespace, quote_literal(v_taken.other_identifier)
            USING ERRCODE = 'object_in_use';
    END IF;
    RETURN v_taken.outcome = 'granted';
END
$$;
COMMENT ON FUNCTION concurrency.acquire_customer_lock(uuid, integer) IS 'Locks a customer until the transaction ends. False: not within p_timeout_ms milliseconds.';
REVOKE ALL ON FUNCTION concurrency.acquire_customer_lock(uuid, integer) FROM PUBLIC;
