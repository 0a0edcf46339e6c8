-- Returns the secrets that sign a webhook's messages now, the newest first.
-- SECURITY DEFINER, because no role may read secrets itself.
CREATE OR REPLACE FUNCTION banking.read_webhook_secrets(p_webhook_id uuid)
RETURNS TABLE (secret bytea)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT own.secret FROM banking.webhook_secrets AS own
    WHERE own.webhook_id = p_webhook_id
      AND (own.expires_at IS NULL OR own.expires_at > clock_timestamp())
    ORDER BY own.secret_number DESC
$$;
REVOKE ALL ON FUNCTION banking.read_webhook_secrets(uuid) FROM PUBLIC;
