-- Notes that a key of the service is used, at most once a minute.
-- SECURITY DEFINER, because no role may write keys itself.
CREATE OR REPLACE FUNCTION banking.note_api_key_use(p_api_key_id uuid) RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE banking.api_keys AS api_key SET last_used_at = clock_timestamp()
    WHERE api_key.api_key_id = p_api_key_id AND api_key.revoked_at IS NULL
      AND (api_key.last_used_at IS NULL OR api_key.last_used_at < clock_timestamp() - interval '1 minute')
$$;
REVOKE ALL ON FUNCTION banking.note_api_key_use(uuid) FROM PUBLIC;
