SELECT DISTINCT ON (sample.pool_name)
    sample.pool_name,
    sample.client_connections,
    sample.server_active,
    sample.server_idle,
    sample.max_wait_ms,
    sample.total_requests
FROM pooling.pool_stats AS sample
WHERE sample.collected_at >= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)
ORDER BY sample.pool_name, sample.collected_at DESC
LIMIT 100
