-- Verdicts on the pools that write samples to pooling.pool_stats, on the server's places for connections, and on
-- transactions that were left open. The same answer as the ops crate's Monitor::pool_health and Monitor::server_health give,
-- with the same defaults and the same ranges.
CREATE OR REPLACE FUNCTION pooling.check_pool_health(
    p_window_seconds double precision DEFAULT 300,
    p_samples_min bigint DEFAULT 3,
    p_wait_milliseconds bigint DEFAULT 100,
    p_waiting_samples_percent bigint DEFAULT 50,
    p_lock_waiting_percent bigint DEFAULT 25,
    p_held_seconds double precision DEFAULT 5,
    p_held_percent bigint DEFAULT 50,
    p_use_low_percent bigint DEFAULT 25,
    p_spare_connections bigint DEFAULT 2,
    p_usage_warning_percent bigint DEFAULT 70,
    p_usage_critical_percent bigint DEFAULT 90,
    p_idle_warning_seconds double precision DEFAULT 30,
    p_idle_critical_seconds double precision DEFAULT 300
)
RETURNS TABLE (
    check_name text,
    status text,
    current_value text,
    recommendation text,
    verdict text
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_field record;
BEGIN
FOR v_field IN
    SELECT * FROM (VALUES
        (1, 'window_seconds', p_window_seconds, 1, 2678400),
        (2, 'samples_min', p_samples_min, 1, 10000),
        (3, 'wait_milliseconds', p_wait_milliseconds, 1, 2678400000),
        (4, 'waiting_samples_percent', p_waiting_samples_percent, 1, 100),
        (5, 'lock_waiting_percent', p_lock_waiting_percent, 1, 100),
        (6, 'held_seconds', p_held_seconds, 1, 2678400),
        (7, 'held_percent', p_held_percent, 1, 100),
        (8, 'use_low_percent', p_use_low_percent, 1, 100),
        (9, 'spare_connections', p_spare_connections, 0, 10000),
        (10, 'usage_warning_percent', p_usage_warning_percent, 1, 100),
        (11, 'usage_critical_percent', p_usage_critical_percent, 1, 100),
        (12, 'idle_warning_seconds', p_idle_warning_seconds, 0, 2678400),
        (13, 'idle_critical_seconds', p_idle_critical_seconds, 0, 2678400)
    ) AS f (place, name, number, least, most)
    ORDER BY f.place
LOOP
    -- NaN is above every other number here.
    IF (v_field.number BETWEEN v_field.least AND v_field.most) IS NOT TRUE THEN
        RAISE EXCEPTION '% is %, but must be between % and %',
                v_field.name, coalesce(v_field.number::text, 'null'), v_field.least, v_field.most
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
END LOOP;

RETURN QUERY
WITH fact AS MATERIALIZED (
    SELECT
        pool.pool_name,
        pool.samples,
        pool.waiting_samples,
        pool.longest_wait_ms,
        pool.peak_active,
        pool.peak_connections,
        coalesce(live.busy, 0) AS busy,
        coalesce(live.lock_waiting, 0) AS lock_waiting,
        coalesce(live.held, 0) AS held,
        coalesce(live.hidden, 0) AS hidden
    FROM (
        SELECT
            sample.pool_name,
            pg_catalog.count(*) AS samples,
            pg_catalog.count(*) FILTER (WHERE sample.max_wait_ms >= p_wait_milliseconds) AS waiting_samples,
            pg_catalog.max(sample.max_wait_ms) AS longest_wait_ms,
            pg_catalog.max(sample.server_active) AS peak_active,
            pg_catalog.max(sample.server_connections) AS peak_connections
        FROM pooling.pool_stats AS sample
        WHERE sample.collected_at >= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => p_window_seconds)
        GROUP BY sample.pool_name
    ) AS pool
    LEFT JOIN (
        SELECT
            named.pool_name,
            pg_catalog.count(*) FILTER (WHERE activity.state NOT IN ('idle', 'disabled')) AS busy,
            pg_catalog.count(*) FILTER (WHERE activity.wait_event_type = 'Lock') AS lock_waiting,
            pg_catalog.count(*) FILTER (
                WHERE activity.state IN ('idle in transaction', 'idle in transaction (aborted)')
                    AND activity.state_change <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => p_held_seconds)
            ) AS held,
            pg_catalog.count(*) FILTER (WHERE activity.backend_type IS NULL OR activity.state = 'disabled') AS hidden
        FROM pg_catalog.pg_stat_activity AS activity
        -- A pool of PgBouncer is known by database and user, because its sessions call themselves what its clients do.
        CROSS JOIN LATERAL (VALUES
            (CASE WHEN activity.datname = pg_catalog.current_database() AND activity.application_name NOT LIKE 'pgbouncer:%'
                THEN activity.application_name COLLATE pg_catalog."C" END),
            (('pgbouncer:' || activity.datname || '/' || activity.usename) COLLATE pg_catalog."C")
        ) AS named (pool_name)
        WHERE (activity.backend_type = 'client backend'
                OR (activity.backend_type IS NULL AND activity.usesysid IS NOT NULL AND activity.datid IS NOT NULL))
            AND activity.pid <> pg_catalog.pg_backend_pid()
            AND named.pool_name IS NOT NULL
        GROUP BY named.pool_name
    ) AS live ON live.pool_name = pool.pool_name COLLATE pg_catalog."C"
), judged AS MATERIALIZED (
    SELECT fact.*, CASE
        -- Held transactions that fill the pool show it, however few the samples are; fewer of them harm only callers that wait.
        WHEN fact.held > 0 AND (
            fact.held * 100 >= greatest(fact.peak_connections, fact.busy) * p_held_percent
            OR (fact.waiting_samples > 0 AND fact.waiting_samples * 100 >= fact.samples * p_waiting_samples_percent
                AND fact.held * 100 >= fact.busy * p_held_percent)
        ) THEN 'leak'
        WHEN fact.samples < p_samples_min THEN 'unknown'
        WHEN fact.waiting_samples > 0 AND fact.waiting_samples * 100 >= fact.samples * p_waiting_samples_percent THEN
            CASE WHEN fact.lock_waiting > 0 AND fact.lock_waiting * 100 >= fact.busy * p_lock_waiting_percent
                THEN 'contention'
            -- What they wait for cannot be told then, and more connections might only wait too.
            WHEN fact.hidden > 0 THEN 'unknown'
            -- The samples are of minutes: what kept callers waiting may be over, or the pool cannot connect.
            WHEN fact.busy = 0 OR fact.busy * 2 < fact.peak_active THEN 'unknown'
            ELSE 'too_small' END
        WHEN fact.waiting_samples = 0
            AND fact.peak_active * 100::bigint <= fact.peak_connections * p_use_low_percent
            AND fact.peak_connections - fact.peak_active > p_spare_connections THEN 'too_large'
        ELSE 'healthy'
    END AS verdict
    FROM fact
), place AS MATERIALIZED (
    SELECT
        current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
            - coalesce(current_setting('reserved_connections', true)::integer, 0) AS usable,
        (SELECT count(*) FROM pg_catalog.pg_stat_activity
            WHERE backend_type = 'client backend' OR (backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL)) AS used,
        (SELECT count(*) FROM pg_catalog.pg_stat_activity
            WHERE backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL) AS hidden,
        (SELECT count(*) FROM pg_catalog.pg_stat_activity
            WHERE state = 'disabled' AND backend_type = 'client backend' AND pid <> pg_backend_pid()) AS untracked,
        (SELECT count(*) FROM pg_catalog.pg_stat_activity
            WHERE state IN ('idle in transaction', 'idle in transaction (aborted)')
                AND state_change <= clock_timestamp() - make_interval(secs => p_idle_warning_seconds)) AS left_open,
        (SELECT count(*) FROM pg_catalog.pg_stat_activity
            WHERE state IN ('idle in transaction', 'idle in transaction (aborted)')
                AND state_change <= clock_timestamp() - make_interval(secs => p_idle_critical_seconds)) AS left_open_critical
)
SELECT
    'connection_utilization',
    CASE WHEN place.used * 100 >= place.usable * p_usage_critical_percent THEN 'CRITICAL'
        WHEN place.used * 100 >= place.usable * p_usage_warning_percent THEN 'WARNING'
        ELSE 'OK' END,
    format('%s of %s usable', place.used, place.usable),
    CASE WHEN place.used * 100 >= place.usable * p_usage_critical_percent
            THEN 'Make pools smaller, or put a pooler in front: soon nobody can connect.'
        WHEN place.used * 100 >= place.usable * p_usage_warning_percent
            THEN 'Make pools smaller, or put a pooler in front.'
        ELSE 'Nothing to do.' END,
    NULL
FROM place
UNION ALL
SELECT
    'idle_in_transaction',
    CASE WHEN place.left_open_critical > 0 THEN 'CRITICAL' WHEN place.left_open > 0 THEN 'WARNING'
        WHEN place.hidden > 0 OR place.untracked > 0 THEN 'UNKNOWN' ELSE 'OK' END,
    place.left_open::text
        || CASE WHEN place.hidden > 0 THEN format(', and %s sessions are hidden', place.hidden) ELSE '' END
        || CASE WHEN place.untracked > 0 THEN format(', and %s sessions are not tracked', place.untracked) ELSE '' END,
    CASE WHEN place.left_open_critical > 0
            THEN 'End these transactions: they hold locks, and keep dead rows from being cleaned up.'
        WHEN place.left_open > 0 THEN 'Look at who left these transactions open.'
        WHEN place.hidden > 0 THEN 'Sessions are hidden from this role: ask with the privileges of pg_monitor.'
        WHEN place.untracked > 0 THEN 'What sessions do is not tracked: switch track_activities on for them.'
        ELSE 'Nothing to do.' END,
    NULL
FROM place
UNION ALL
SELECT
    format('pool %s', judged.pool_name),
    CASE judged.verdict WHEN 'healthy' THEN 'OK' WHEN 'unknown' THEN 'UNKNOWN' WHEN 'too_large' THEN 'WARNING' ELSE 'CRITICAL' END,
    format(
        '%s of %s samples with waiting callers, %s ms at most; %s of %s connections in use at most; now %s busy, %s of them waiting for locks, %s held',
        judged.waiting_samples, judged.samples, judged.longest_wait_ms, judged.peak_active, judged.peak_connections,
        judged.busy, judged.lock_waiting, judged.held
    ),
    CASE judged.verdict
        WHEN 'healthy' THEN 'Nothing to do.'
        WHEN 'too_small' THEN
            'Callers wait for connections that are at work: make the pool larger, as far as the server allows.'
        WHEN 'contention' THEN
            'Its sessions wait for locks: look at who blocks whom; more connections would only wait too.'
        WHEN 'leak' THEN
            'Its transactions are held open with nothing done: find who does not give connections back, or holds them over something slow.'
        WHEN 'too_large' THEN
            'Most of its connections are never used: make the pool smaller, and leave the places to others.'
        ELSE CASE WHEN judged.samples >= p_samples_min AND judged.hidden = 0 THEN
            'Callers waited, but too few of its sessions are at work now to say why: ask again while callers wait, and see whether it can connect.'
        ELSE 'There are too few samples, or its sessions do not show what they do: record samples, ask with the privileges of pg_monitor, and see whether track_activities is on.' END
    END,
    judged.verdict
FROM judged;
END
$$;
COMMENT ON FUNCTION pooling.check_pool_health(double precision, bigint, bigint, bigint, bigint, double precision, bigint, bigint, bigint, bigint, bigint, double precision, double precision) IS 'Verdicts on pools, connections and transactions that were left open.';
REVOKE ALL ON FUNCTION pooling.check_pool_health(double precision, bigint, bigint, bigint, bigint, double precision, bigint, bigint, bigint, bigint, bigint, double precision, double precision) FROM PUBLIC;
