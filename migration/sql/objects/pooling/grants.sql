GRANT SELECT ON ALL TABLES IN SCHEMA pooling TO neobank_app, neobank_read;
-- The retention deletes samples.
REVOKE INSERT, UPDATE ON pooling.pool_stats FROM neobank_app, neobank_read;
GRANT INSERT (pool_name, client_connections, server_connections, server_active, server_idle, max_wait_ms,
              avg_query_time_ms, total_requests), DELETE
    ON pooling.pool_stats TO neobank_app;
