-- Releases a lease. Returns false when it did not exist any more: another holder may have had the
-- name since. Only the holder has p_holder: concurrency.lock_leases contains only its hash
-- (concurrency.lease_holder()).
DROP FUNCTION IF EXISTS concurrency.release_lease(text, text, bigint);
CREATE OR REPLACE FUNCTION concurrency.release_lease(p_namespace text, p_identifier text, p_holder uuid, p_fencing_token bigint)
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_expires_at timestamptz;
BEGIN
    IF p_namespace IS NULL OR p_identifier IS NULL OR p_holder IS NULL OR p_fencing_token IS NULL THEN
        RAISE EXCEPTION 'p_namespace, p_identifier and p_fencing_token must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    DELETE FROM concurrency.lock_leases AS lease
    WHERE lease.lock_key = concurrency.lock_key(p_namespace, p_identifier)
      AND lease.fencing_token = p_fencing_token AND lease.holder = concurrency.lease_holder(p_holder)
    RETURNING lease.expires_at INTO v_expires_at;
    RETURN FOUND AND v_expires_at > clock_timestamp();
END
$$;
REVOKE ALL ON FUNCTION concurrency.release_lease(text, text, uuid, bigint) FROM PUBLIC;
