-- Returns the newest fencing token of a name, which no session can change before this transaction
-- ends; null when the name was never locked. A holder whose own token is lower has lost its lock.
-- SECURITY DEFINER, because locking a row needs the privilege to update it.
CREATE OR REPLACE FUNCTION concurrency.check_fencing_token(p_namespace text, p_identifier text) RETURNS bigint
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT known.fencing_token
    FROM concurrency.lock_names AS known
    WHERE known.lock_key = concurrency.lock_key(p_namespace, p_identifier)
      AND known.namespace = p_namespace
      AND known.identifier = p_identifier
    FOR SHARE
$$;
REVOKE ALL ON FUNCTION concurrency.check_fencing_token(text, text) FROM PUBLIC;
