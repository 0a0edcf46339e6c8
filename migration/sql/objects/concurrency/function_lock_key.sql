-- Returns the key of a name's advisory lock: the first eight bytes of a SHA-256. With a million
-- names, the probability that any two of them share a key of 64 bits is below one in ten million,
-- and take_locks detects it.
CREATE OR REPLACE FUNCTION concurrency.lock_key(p_namespace text, p_identifier text) RETURNS bigint
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (
        'x' || encode(
            substring(sha256(convert_to(p_namespace, 'UTF8') || '\x00'::bytea || convert_to(p_identifier, 'UTF8')) FROM 1 FOR 8),
            'hex'
        )
    )::bit(64)::bigint
$$;
REVOKE ALL ON FUNCTION concurrency.lock_key(text, text) FROM PUBLIC;
