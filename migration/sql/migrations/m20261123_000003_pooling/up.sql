CREATE TABLE pooling.pool_stats (
    stat_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_name text NOT NULL CONSTRAINT pool_stats_pool_name_length CHECK (length(pool_name) BETWEEN 1 AND 100),
    client_connections integer NOT NULL CONSTRAINT pool_stats_client_connections_range CHECK (client_connections >= 0),
    server_connections integer NOT NULL CONSTRAINT pool_stats_server_connections_range CHECK (server_connections >= 0),
    server_active integer NOT NULL CONSTRAINT pool_stats_server_active_range CHECK (server_active >= 0),
    server_idle integer NOT NULL CONSTRAINT pool_stats_server_idle_range CHECK (server_idle >= 0),
    max_wait_ms bigint NOT NULL CONSTRAINT pool_stats_max_wait_range CHECK (max_wait_ms >= 0),
    avg_query_time_ms double precision,
    total_requests bigint NOT NULL CONSTRAINT pool_stats_total_requests_range CHECK (total_requests >= 0),
    collected_at timestamptz NOT NULL DEFAULT clock_timestamp()
        CONSTRAINT pool_stats_collected_at_range
        CHECK (collected_at >= '1970-01-01 00:00:00+00' AND collected_at < '2200-01-01 00:00:00+00')
);
COMMENT ON TABLE pooling.pool_stats IS 'Samples of connection pools, taken from the pool itself or from PgBouncer.';
COMMENT ON COLUMN pooling.pool_stats.client_connections IS 'Callers that hold or wait for a connection.';
COMMENT ON COLUMN pooling.pool_stats.server_connections IS 'Connections to the server, busy or idle.';
COMMENT ON COLUMN pooling.pool_stats.max_wait_ms IS 'The longest wait for a connection since the previous sample, in milliseconds.';
COMMENT ON COLUMN pooling.pool_stats.avg_query_time_ms IS 'Mean time of a statement, in milliseconds; null when none ran.';
COMMENT ON COLUMN pooling.pool_stats.total_requests IS 'Statements since the pool started.';

CREATE INDEX pool_stats_pool_and_time_index ON pooling.pool_stats (pool_name, collected_at DESC);
-- Retention deletes by age alone.
CREATE INDEX pool_stats_collected_at_index ON pooling.pool_stats USING brin (collected_at);
