-- Sets a webhook behind a position of the sealed order, back or forward: it gets the events after it.
-- The transaction must name its actor (SET LOCAL neobank.actor). Returns false if the webhook does
-- not exist.
-- SECURITY DEFINER, because no role may write positions itself.
CREATE OR REPLACE FUNCTION banking.replay_webhook(p_webhook_id uuid, p_after bigint) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM banking.require_actor('replaying a webhook', 'controller:1');
    IF (p_after BETWEEN 0 AND coalesce(
            (SELECT seal.last_position FROM banking.seals AS seal ORDER BY seal.seal_number DESC LIMIT 1), 0)
        ) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'position % is not sealed', p_after
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'webhooks',
                  CONSTRAINT = 'webhooks_position_is_sealed';
    END IF;
    UPDATE banking.event_consumers AS consumer
    SET last_position = p_after, updated_at = clock_timestamp()
    WHERE consumer.consumer_name = 'webhook:' || p_webhook_id;
    UPDATE banking.webhooks AS webhook SET replayed_after = p_after, replayed_at = clock_timestamp()
    WHERE webhook.webhook_id = p_webhook_id;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM banking.webhook_failures AS failure WHERE failure.webhook_id = p_webhook_id;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.replay_webhook(uuid, bigint) FROM PUBLIC;
