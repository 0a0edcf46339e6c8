-- Returns the public name of a lease's holder: the first half of the SHA-256 of its secret.
CREATE OR REPLACE FUNCTION concurrency.lease_holder(p_secret uuid) RETURNS uuid
LANGUAGE sql
IMMUTABLE
STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT encode(substring(sha256(uuid_send(p_secret)) FROM 1 FOR 16), 'hex')::uuid
$$;
REVOKE ALL ON FUNCTION concurrency.lease_holder(uuid) FROM PUBLIC;
