-- Notes the attempt that was requested for a dead letter; without an error it was accepted.
-- SECURITY DEFINER, because no role may write dead letters itself.
CREATE OR REPLACE FUNCTION banking.end_webhook_redelivery(
    p_webhook_id uuid,
    p_event_position bigint,
    p_status integer DEFAULT NULL,
    p_error text DEFAULT NULL
) RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE banking.webhook_dead_letters AS letter
    SET redelivery_requested_at = NULL,
        redelivered_at = CASE WHEN p_error IS NULL THEN clock_timestamp() ELSE letter.redelivered_at END,
        last_attempt_at = clock_timestamp(),
        attempt_count = letter.attempt_count + CASE WHEN p_error IS NULL THEN 0 ELSE 1 END,
        last_status = p_status,
        last_error = coalesce(p_error, letter.last_error)
    WHERE letter.webhook_id = p_webhook_id AND letter.event_position = p_event_position
$$;
REVOKE ALL ON FUNCTION banking.end_webhook_redelivery(uuid, bigint, integer, text) FROM PUBLIC;
