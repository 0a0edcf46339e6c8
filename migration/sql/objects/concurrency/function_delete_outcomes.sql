-- Deletes rows of concurrency.transaction_outcomes (commit records) that are older than
-- p_keep_seconds, at most p_limit of them, and returns their number. Rows of the last hour always
-- stay: they may be needed to resolve an in-doubt commit, and a committed transaction without its
-- row would be taken for one that was rolled back.
CREATE OR REPLACE FUNCTION concurrency.delete_outcomes(p_keep_seconds double precision, p_limit integer)
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
    DELETE FROM concurrency.transaction_outcomes WHERE attempt_id IN (
        SELECT outcome.attempt_id FROM concurrency.transaction_outcomes AS outcome
        WHERE outcome.recorded_at < clock_timestamp() - make_interval(secs => greatest(p_keep_seconds, 3600))
        LIMIT least(p_limit, 100000)
    );
    GET DIAGNOSTICS v_deleted = ROW_COUNT;
    RETURN v_deleted;
END
$$;
REVOKE ALL ON FUNCTION concurrency.delete_outcomes(double precision, integer) FROM PUBLIC;
