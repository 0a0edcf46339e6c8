-- Returns a time-ordered identifier for SQL users; PostgreSQL has its own from version 18. The
-- crates make theirs in the client.
CREATE OR REPLACE FUNCTION banking.uuid_v7() RETURNS uuid
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    -- The milliseconds since 1970 replace the first 48 bits of a random uuid, and version 7
    -- replaces version 4 (RFC 9562, section 5.7).
    SELECT encode(
        set_bit(
            set_bit(
                overlay(
                    uuid_send(gen_random_uuid())
                    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6
                ),
                52, 1
            ),
            53, 1
        ),
        'hex'
    )::uuid
$$;
REVOKE ALL ON FUNCTION banking.uuid_v7() FROM PUBLIC;
