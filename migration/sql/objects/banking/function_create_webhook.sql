-- Creates a webhook with its first secret, behind a position of the sealed order; null is its end.
-- The transaction must name its actor (SET LOCAL neobank.actor).
-- SECURITY DEFINER, because no role may write webhooks itself.
CREATE OR REPLACE FUNCTION banking.create_webhook(
    p_webhook_id uuid,
    p_url text,
    p_description text,
    p_event_types text,
    p_dead_after_seconds integer,
    p_secret bytea,
    p_after bigint DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_actor text := banking.require_actor('creating a webhook', 'controller:1');
    v_end bigint := coalesce(
        (SELECT seal.last_position FROM banking.seals AS seal ORDER BY seal.seal_number DESC LIMIT 1), 0);
BEGIN
    IF p_after NOT BETWEEN 0 AND v_end THEN
        RAISE EXCEPTION 'position % is not sealed', p_after
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'webhooks',
                  CONSTRAINT = 'webhooks_position_is_sealed';
    END IF;
    -- Two calls at the same time count one after the other.
    LOCK TABLE banking.webhooks IN SHARE ROW EXCLUSIVE MODE;
    IF (SELECT count(*) FROM banking.webhooks) >= 100 THEN
        RAISE EXCEPTION 'a bank has at most 100 webhooks'
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'webhooks',
                  CONSTRAINT = 'webhooks_count_limited';
    END IF;
    INSERT INTO banking.webhooks (webhook_id, url, description, event_types, dead_after_seconds, created_by)
    VALUES (p_webhook_id, p_url, p_description, p_event_types, p_dead_after_seconds, v_actor);
    INSERT INTO banking.webhook_secrets (webhook_id, secret_number, secret)
    VALUES (p_webhook_id, 1, p_secret);
    INSERT INTO banking.event_consumers (consumer_name, last_position)
    VALUES ('webhook:' || p_webhook_id, coalesce(p_after, v_end));
END
$$;
REVOKE ALL ON FUNCTION banking.create_webhook(uuid, text, text, text, integer, bytea, bigint) FROM PUBLIC;
