-- Gives a webhook a new secret. The secret of before signs too for p_overlap_seconds; one that an
-- earlier rotation replaced ends at once. The transaction must name its actor (SET LOCAL
-- neobank.actor). Returns false if the webhook does not exist.
-- SECURITY DEFINER, because no role may write secrets itself.
CREATE OR REPLACE FUNCTION banking.rotate_webhook_secret(
    p_webhook_id uuid,
    p_secret bytea,
    p_overlap_seconds integer
) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_number integer;
BEGIN
    PERFORM banking.require_actor('rotating a secret', 'controller:1');
    -- Two rotations at the same time follow each other.
    UPDATE banking.webhooks AS webhook SET secret_rotated_at = v_now
    WHERE webhook.webhook_id = p_webhook_id;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM banking.webhook_secrets AS own
    WHERE own.webhook_id = p_webhook_id AND own.expires_at IS NOT NULL;
    UPDATE banking.webhook_secrets AS own
    SET expires_at = v_now + make_interval(secs => p_overlap_seconds)
    WHERE own.webhook_id = p_webhook_id
    RETURNING own.secret_number INTO v_number;
    INSERT INTO banking.webhook_secrets (webhook_id, secret_number, secret)
    VALUES (p_webhook_id, coalesce(v_number, 0) + 1, p_secret);
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.rotate_webhook_secret(uuid, bytea, integer) FROM PUBLIC;
