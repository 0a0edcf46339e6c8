-- Returns a webhook, or all of them in the order of their creation, with their positions, the end of
-- the sealed order, and the event that is not accepted yet.
-- SECURITY DEFINER, because no role may read the table of secrets, whose expiry it returns.
CREATE OR REPLACE FUNCTION banking.webhook_states(p_webhook_id uuid DEFAULT NULL)
RETURNS TABLE (
    webhook_id uuid,
    url text,
    description text,
    event_types text,
    is_enabled boolean,
    disabled_reason text,
    dead_after_seconds integer,
    created_at timestamptz,
    created_by text,
    secret_rotated_at timestamptz,
    previous_secret_until timestamptz,
    replayed_after bigint,
    replayed_at timestamptz,
    last_position bigint,
    end_position bigint,
    dead_letters bigint,
    requested_position bigint,
    failing_position bigint,
    attempt_count bigint,
    first_attempt_at timestamptz,
    last_attempt_at timestamptz,
    next_attempt_at timestamptz,
    last_status integer,
    last_error text
)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT webhook.webhook_id, webhook.url, webhook.description, webhook.event_types,
           webhook.is_enabled, webhook.disabled_reason, webhook.dead_after_seconds, webhook.created_at,
           webhook.created_by::text, webhook.secret_rotated_at,
           (SELECT max(own.expires_at) FROM banking.webhook_secrets AS own
            WHERE own.webhook_id = webhook.webhook_id AND own.expires_at > clock_timestamp()),
           webhook.replayed_after, webhook.replayed_at, coalesce(consumer.last_position, 0),
           coalesce((SELECT seal.last_position FROM banking.seals AS seal
                     ORDER BY seal.seal_number DESC LIMIT 1), 0),
           (SELECT count(*) FROM banking.webhook_dead_letters AS letter
            WHERE letter.webhook_id = webhook.webhook_id AND letter.redelivered_at IS NULL),
           (SELECT min(letter.event_position) FROM banking.webhook_dead_letters AS letter
            WHERE letter.webhook_id = webhook.webhook_id AND letter.redelivery_requested_at IS NOT NULL),
           failure.event_position, failure.attempt_count, failure.first_attempt_at,
           failure.last_attempt_at, failure.next_attempt_at, failure.last_status, failure.last_error
    FROM banking.webhooks AS webhook
    LEFT JOIN banking.event_consumers AS consumer
        ON consumer.consumer_name = 'webhook:' || webhook.webhook_id
    LEFT JOIN banking.webhook_failures AS failure ON failure.webhook_id = webhook.webhook_id
    WHERE p_webhook_id IS NULL OR webhook.webhook_id = p_webhook_id
    ORDER BY webhook.created_at, webhook.webhook_id
$$;
REVOKE ALL ON FUNCTION banking.webhook_states(uuid) FROM PUBLIC;
