-- Requests one more attempt for a dead letter. The transaction must name its actor (SET LOCAL
-- neobank.actor). Returns false if the webhook has no such dead letter.
-- SECURITY DEFINER, because no role may write dead letters itself.
CREATE OR REPLACE FUNCTION banking.redeliver_webhook_event(p_webhook_id uuid, p_event_position bigint)
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM banking.require_actor('redelivering an event', 'controller:1');
    UPDATE banking.webhook_dead_letters AS letter
    SET redelivery_requested_at = coalesce(letter.redelivery_requested_at, clock_timestamp())
    WHERE letter.webhook_id = p_webhook_id AND letter.event_position = p_event_position;
    RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION banking.redeliver_webhook_event(uuid, bigint) FROM PUBLIC;
