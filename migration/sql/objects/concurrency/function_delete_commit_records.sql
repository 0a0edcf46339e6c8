-- Deletes commit records that are older than p_keep_seconds, at most p_limit of them, and returns
-- their number. Records of the last hour always stay: an in-doubt resolution may need them, and it
-- would report a committed transaction without its record as rolled back.
CREATE OR REPLACE FUNCTION concurrency.delete_commit_records(p_keep_seconds double precision, p_limit integer)
RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_deleted bigint;
BEGIN
    IF p_keep_seconds IS NULL OR p_limit IS NULL THEN
        RAISE EXCEPTION 'p_keep_seconds and p_limit must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    DELETE FROM concurrency.commit_records WHERE attempt_id IN (
        SELECT record.attempt_id FROM concurrency.commit_records AS record
        WHERE record.recorded_at < clock_timestamp() - make_interval(secs => greatest(p_keep_seconds, 3600))
        LIMIT least(p_limit, 100000)
    );
    GET DIAGNOSTICS v_deleted = ROW_COUNT;
    RETURN v_deleted;
END
$$;
REVOKE ALL ON FUNCTION concurrency.delete_commit_records(double precision, integer) FROM PUBLIC;
