-- Internal: waits until the predecessor has begun, so that the time of the call is later than its.
-- It waits some milliseconds at most, since the predecessor may have failed before it began. The
-- predecessor holds the advisory lock p_batch_lock until its transaction ends; p_transfer_id is one
-- of its transfers. The inner block releases the lock when it ends, so that the predecessor can
-- still take it.
CREATE OR REPLACE FUNCTION banking.await_predecessor_start(
    p_batch_lock bigint,
    p_transfer_id uuid
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    FOR v_try IN 1..10 LOOP
        BEGIN
            EXIT WHEN NOT pg_try_advisory_xact_lock_shared(p_batch_lock);
            RAISE EXCEPTION USING ERRCODE = 'NB000';
        EXCEPTION
            WHEN SQLSTATE 'NB000' THEN NULL;
        END;
        EXIT WHEN EXISTS (
            SELECT FROM banking.transfers AS transfer WHERE transfer.transfer_id = p_transfer_id
        );
        PERFORM pg_sleep(0.0005);
    END LOOP;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.await_predecessor_start(bigint, uuid) FROM PUBLIC;
