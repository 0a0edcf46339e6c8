-- Internal: waits until the predecessor has ended, and rejects the call unless it has committed.
-- The predecessor holds the advisory lock p_batch_lock until its transaction ends; p_transfer_id is
-- one of its transfers, which proves that it committed. The statements that follow in the caller
-- see what it has done. The lock is only a signal: if another session gets it first, the transfer
-- is the proof. The caller's lock_timeout, 10 ms, bounds each try.
CREATE OR REPLACE FUNCTION banking.await_predecessor(
    p_batch_lock bigint,
    p_transfer_id uuid
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    FOR v_try IN 1..10 LOOP
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(p_batch_lock);
            EXIT;
        EXCEPTION
            WHEN lock_not_available THEN NULL;
        END;
        EXIT WHEN EXISTS (
            SELECT FROM banking.transfers AS transfer WHERE transfer.transfer_id = p_transfer_id
        );
    END LOOP;
    IF NOT EXISTS (
        SELECT FROM banking.transfers AS transfer WHERE transfer.transfer_id = p_transfer_id
    ) THEN
        RAISE EXCEPTION 'the predecessor has not committed'
            USING ERRCODE = 'NB002', HINT = 'Read the accounts and decide again.';
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.await_predecessor(bigint, uuid) FROM PUBLIC;
