GRANT SELECT ON ALL TABLES IN SCHEMA pooling TO neobank_app, neobank_read;
-- Samples are deleted by their retention.
GRANT INSERT, DELETE ON pooling.pool_stats TO neobank_app;
