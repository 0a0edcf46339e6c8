-- Moves a consumer of events from one position to a later one. Returns false, and changes nothing,
-- if the consumer is at another position than p_from: another process uses its name. A consumer that
-- does not exist is at position 0.
CREATE OR REPLACE FUNCTION banking.advance_consumer(
    p_consumer_name text,
    p_from bigint,
    p_to bigint
) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (p_to >= p_from AND p_from >= 0) IS NOT TRUE
        OR p_to > coalesce(
            (SELECT seal.last_position FROM banking.seals AS seal ORDER BY seal.seal_number DESC LIMIT 1),
            0)
    THEN
        RAISE EXCEPTION 'a consumer cannot move from position % to %', p_from, p_to
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'A consumer moves forward only, to a position that is sealed.';
    END IF;
    IF p_from = 0 THEN
        INSERT INTO banking.event_consumers AS consumer (consumer_name, last_position)
        VALUES (p_consumer_name, p_to)
        ON CONFLICT (consumer_name) DO UPDATE
            SET last_position = EXCLUDED.last_position, updated_at = clock_timestamp()
            WHERE consumer.last_position = p_from;
    ELSE
        UPDATE banking.event_consumers AS consumer
        SET last_position = p_to, updated_at = clock_timestamp()
        WHERE consumer.consumer_name = p_consumer_name AND consumer.last_position = p_from;
    END IF;
    RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION banking.advance_consumer(text, bigint, bigint) FROM PUBLIC;
