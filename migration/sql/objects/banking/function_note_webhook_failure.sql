-- Notes an attempt that failed. An event whose time is over becomes a dead letter, and the webhook
-- goes on behind it. Returns false, and changes nothing, if the webhook is at another position than
-- p_from: it was replayed or deleted, or another process sends its events.
-- SECURITY DEFINER, because no role may write positions itself.
CREATE OR REPLACE FUNCTION banking.note_webhook_failure(
    p_webhook_id uuid,
    p_from bigint,
    p_event_position bigint,
    p_error text,
    p_pause_seconds double precision,
    p_status integer DEFAULT NULL
) RETURNS TABLE (is_noted boolean, is_dead boolean)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_failure banking.webhook_failures;
BEGIN
    PERFORM FROM banking.event_consumers AS consumer
    WHERE consumer.consumer_name = 'webhook:' || p_webhook_id AND consumer.last_position = p_from
      AND p_event_position > p_from
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT false, false;
        RETURN;
    END IF;
    INSERT INTO banking.webhook_failures AS failure
        (webhook_id, event_position, attempt_count, first_attempt_at, last_attempt_at, next_attempt_at,
         last_status, last_error)
    VALUES
        (p_webhook_id, p_event_position, 1, v_now, v_now, v_now + make_interval(secs => p_pause_seconds),
         p_status, p_error)
    ON CONFLICT (webhook_id) DO UPDATE
    SET event_position = excluded.event_position,
        attempt_count = CASE WHEN failure.event_position = excluded.event_position
                             THEN failure.attempt_count + 1 ELSE 1 END,
        first_attempt_at = CASE WHEN failure.event_position = excluded.event_position
                                THEN failure.first_attempt_at ELSE v_now END,
        last_attempt_at = v_now, next_attempt_at = excluded.next_attempt_at,
        last_status = excluded.last_status, last_error = excluded.last_error
    RETURNING * INTO v_failure;
    IF v_now < v_failure.first_attempt_at + make_interval(secs => (
           SELECT webhook.dead_after_seconds FROM banking.webhooks AS webhook
           WHERE webhook.webhook_id = p_webhook_id))
    THEN
        RETURN QUERY SELECT true, false;
        RETURN;
    END IF;
    INSERT INTO banking.webhook_dead_letters AS letter
        (webhook_id, event_position, attempt_count, first_attempt_at, dead_at, last_attempt_at,
         last_status, last_error)
    VALUES
        (p_webhook_id, p_event_position, v_failure.attempt_count, v_failure.first_attempt_at, v_now, v_now,
         p_status, p_error)
    ON CONFLICT (webhook_id, event_position) DO UPDATE
    SET attempt_count = letter.attempt_count + excluded.attempt_count,
        dead_at = v_now, last_attempt_at = v_now, last_status = excluded.last_status,
        last_error = excluded.last_error, redelivery_requested_at = NULL;
    UPDATE banking.event_consumers AS consumer
    SET last_position = p_event_position, updated_at = v_now
    WHERE consumer.consumer_name = 'webhook:' || p_webhook_id;
    DELETE FROM banking.webhook_failures AS failure WHERE failure.webhook_id = p_webhook_id;
    RETURN QUERY SELECT true, true;
END
$$;
REVOKE ALL ON FUNCTION banking.note_webhook_failure(uuid, bigint, bigint, text, double precision, integer) FROM PUBLIC;
