-- Moves a webhook from one position to a later one, whose event it has accepted or does not want.
-- Returns false, and changes nothing, if the webhook is at another position than p_from: it was
-- replayed or deleted, or another process sends its events.
-- SECURITY DEFINER, because no role may write positions itself.
CREATE OR REPLACE FUNCTION banking.advance_webhook(
    p_webhook_id uuid,
    p_from bigint,
    p_to bigint,
    p_is_accepted boolean
) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE banking.event_consumers AS consumer
    SET last_position = p_to, updated_at = clock_timestamp()
    WHERE consumer.consumer_name = 'webhook:' || p_webhook_id
      AND consumer.last_position = p_from AND p_to > p_from;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM banking.webhook_failures AS failure WHERE failure.webhook_id = p_webhook_id;
    IF p_is_accepted THEN
        UPDATE banking.webhook_dead_letters AS letter
        SET redelivered_at = clock_timestamp(), redelivery_requested_at = NULL
        WHERE letter.webhook_id = p_webhook_id AND letter.event_position = p_to
          AND letter.redelivered_at IS NULL;
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.advance_webhook(uuid, bigint, bigint, boolean) FROM PUBLIC;
