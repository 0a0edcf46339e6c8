-- Returns the first moment of a day in a time zone. Where clocks are set back over midnight, as in
-- Havana, the hour after midnight occurs twice, and AT TIME ZONE returns the second one. The day
-- then begins earlier, by the time that the clock shows past midnight just before that moment.
CREATE OR REPLACE FUNCTION banking.start_of_day(p_date date, p_time_zone text) RETURNS timestamptz
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT midnight.moment - greatest(
        (midnight.moment - interval '1 microsecond') AT TIME ZONE p_time_zone + interval '1 microsecond' - p_date::timestamp,
        interval '0'
    )
    FROM (SELECT p_date::timestamp AT TIME ZONE p_time_zone AS moment) AS midnight
$$;
REVOKE ALL ON FUNCTION banking.start_of_day(date, text) FROM PUBLIC;
