-- Revokes a key of the service. The transaction must name its actor (SET LOCAL neobank.actor).
-- Returns false, and changes nothing, if no key in force has this identifier.
-- SECURITY DEFINER, because no role may write keys itself.
CREATE OR REPLACE FUNCTION banking.revoke_api_key(p_api_key_id uuid) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_actor text := banking.require_actor('revoking a key', 'controller:1');
BEGIN
    UPDATE banking.api_keys AS api_key SET revoked_at = clock_timestamp(), revoked_by = v_actor
    WHERE api_key.api_key_id = p_api_key_id AND api_key.revoked_at IS NULL;
    RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION banking.revoke_api_key(uuid) FROM PUBLIC;
