GRANT SELECT ON ALL TABLES IN SCHEMA concurrency TO neobank_app, neobank_read;
-- Revokes grants of earlier versions.
REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA concurrency FROM neobank_app, neobank_read;
-- The time column is excluded, because the database writes it.
GRANT INSERT (process_id, transaction_id, query_text, lock_info, resolution) ON concurrency.deadlock_log TO neobank_app;
GRANT INSERT (value, version), UPDATE (value, version), DELETE ON concurrency.mvcc_demo TO neobank_app;
