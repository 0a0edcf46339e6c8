-- Changes the given values of a webhook; null keeps one. p_disabled_reason is that of a webhook that
-- the service itself disables. An enabled webhook is attempted at once. The transaction must name its
-- actor (SET LOCAL neobank.actor). Returns false if the webhook does not exist.
-- SECURITY DEFINER, because no role may write webhooks itself.
CREATE OR REPLACE FUNCTION banking.update_webhook(
    p_webhook_id uuid,
    p_url text DEFAULT NULL,
    p_description text DEFAULT NULL,
    p_event_types text DEFAULT NULL,
    p_dead_after_seconds integer DEFAULT NULL,
    p_is_enabled boolean DEFAULT NULL,
    p_disabled_reason text DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM banking.require_actor('changing a webhook', 'controller:1');
    UPDATE banking.webhooks AS webhook
    SET url = coalesce(p_url, webhook.url),
        description = coalesce(p_description, webhook.description),
        event_types = coalesce(p_event_types, webhook.event_types),
        dead_after_seconds = coalesce(p_dead_after_seconds, webhook.dead_after_seconds),
        is_enabled = coalesce(p_is_enabled, webhook.is_enabled),
        disabled_reason = CASE WHEN p_is_enabled IS NULL THEN webhook.disabled_reason
                               WHEN NOT p_is_enabled THEN p_disabled_reason END
    WHERE webhook.webhook_id = p_webhook_id;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- The time without attempts does not count.
    IF p_is_enabled THEN
        DELETE FROM banking.webhook_failures AS failure WHERE failure.webhook_id = p_webhook_id;
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.update_webhook(uuid, text, text, text, integer, boolean, text) FROM PUBLIC;
