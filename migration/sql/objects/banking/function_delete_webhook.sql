-- Deletes a webhook with its secrets, its position and its dead letters; the change log keeps what it
-- was. The transaction must name its actor (SET LOCAL neobank.actor). Returns false if the webhook
-- does not exist.
-- SECURITY DEFINER, because no role may delete webhooks itself.
CREATE OR REPLACE FUNCTION banking.delete_webhook(p_webhook_id uuid) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM banking.require_actor('deleting a webhook', 'controller:1');
    -- In the order in which every function locks the rows.
    DELETE FROM banking.event_consumers AS consumer
    WHERE consumer.consumer_name = 'webhook:' || p_webhook_id;
    DELETE FROM banking.webhooks AS webhook WHERE webhook.webhook_id = p_webhook_id;
    RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION banking.delete_webhook(uuid) FROM PUBLIC;
