-- Internal: returns the first moment of a limit's window that ends at a time; null for the window of
-- a single transfer.
CREATE OR REPLACE FUNCTION banking.limit_window_start(
    p_limit_window text,
    p_window_hours integer,
    p_at timestamptz,
    p_time_zone text
) RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE p_limit_window
        WHEN 'day' THEN banking.start_of_day((p_at AT TIME ZONE p_time_zone)::date, p_time_zone)
        -- An entry that is exactly so many hours old does not count any more.
        WHEN 'rolling' THEN p_at - make_interval(hours => p_window_hours) + interval '1 microsecond'
    END;
END
$$;
REVOKE ALL ON FUNCTION banking.limit_window_start(text, integer, timestamptz, text) FROM PUBLIC;
