GRANT SELECT ON ALL TABLES IN SCHEMA concurrency TO neobank_app, neobank_read;
GRANT INSERT ON concurrency.deadlock_log TO neobank_app;
GRANT INSERT, UPDATE, DELETE ON concurrency.mvcc_demo TO neobank_app;
