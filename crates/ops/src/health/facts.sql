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
        pg_catalog.count(*) FILTER (WHERE sample.max_wait_ms >= $2) AS waiting_samples,
        pg_catalog.max(sample.max_wait_ms) AS longest_wait_ms,
        pg_catalog.max(sample.server_active) AS peak_active,
        pg_catalog.max(sample.server_connections) AS peak_connections
    FROM pooling.pool_stats AS sample
    WHERE sample.collected_at >= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)
    GROUP BY sample.pool_name
) AS pool
LEFT JOIN (
    SELECT
        named.pool_name,
        pg_catalog.count(*) FILTER (WHERE activity.state NOT IN ('idle', 'disabled')) AS busy,
        pg_catalog.count(*) FILTER (WHERE activity.wait_event_type = 'Lock') AS lock_waiting,
        pg_catalog.count(*) FILTER (
            WHERE activity.state IN ('idle in transaction', 'idle in transaction (aborted)')
                AND activity.state_change <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $3)
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
ORDER BY pool.pool_name
