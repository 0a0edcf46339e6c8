-- Returns the consumers of events: how many sealed events each has not read, and how long ago the
-- first of these was sealed, the longest lag first. It returns at most 1,000 consumers.
-- SECURITY DEFINER, so that a monitoring role sees the figures and no record.
CREATE OR REPLACE FUNCTION banking.consumer_lags()
RETURNS TABLE (
    consumer_name text,
    last_position bigint,
    waiting_events bigint,
    waiting_seconds double precision,
    updated_at timestamptz
)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT consumer.consumer_name, consumer.last_position,
           greatest(newest.last_position - consumer.last_position, 0),
           greatest(
               coalesce(extract(epoch FROM clock_timestamp() - unread.sealed_at), 0), 0
           )::double precision AS waiting_seconds,
           consumer.updated_at
    FROM banking.event_consumers AS consumer
    CROSS JOIN (
        SELECT coalesce(max(seal.last_position), 0) AS last_position
        FROM (
            SELECT last.last_position FROM banking.seals AS last
            ORDER BY last.seal_number DESC LIMIT 1
        ) AS seal
    ) AS newest
    -- The seal of the next position. A seal without records has no position.
    LEFT JOIN LATERAL (
        SELECT seal.sealed_at FROM banking.seals AS seal
        WHERE seal.first_position <= consumer.last_position + 1 AND seal.record_count > 0
        ORDER BY seal.first_position DESC
        LIMIT 1
    ) AS unread ON consumer.last_position < newest.last_position
    ORDER BY waiting_seconds DESC, consumer.consumer_name
    LIMIT 1000
$$;
REVOKE ALL ON FUNCTION banking.consumer_lags() FROM PUBLIC;
