-- Internal: ends a call of the posting functions. The journal's triggers check later statements of
-- the same transaction again.
CREATE OR REPLACE FUNCTION banking.end_posting() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN set_config('neobank.posting', 'off', true) = 'off';
END
$$;
REVOKE ALL ON FUNCTION banking.end_posting() FROM PUBLIC;
