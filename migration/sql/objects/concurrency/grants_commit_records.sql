REVOKE INSERT, UPDATE, DELETE ON concurrency.commit_records FROM neobank_app, neobank_read;
GRANT SELECT ON concurrency.commit_records TO neobank_app, neobank_read;
-- The time column is excluded, because the database writes it. Only
-- concurrency.delete_commit_records() deletes rows.
GRANT INSERT (attempt_id, transaction_name, committed) ON concurrency.commit_records TO neobank_app;
GRANT EXECUTE ON FUNCTION concurrency.delete_commit_records(double precision, integer) TO neobank_app;
