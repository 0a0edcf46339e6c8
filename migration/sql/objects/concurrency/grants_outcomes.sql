REVOKE INSERT, UPDATE, DELETE ON concurrency.transaction_outcomes FROM neobank_app, neobank_read;
GRANT SELECT ON concurrency.transaction_outcomes TO neobank_app, neobank_read;
-- The time column is excluded, because the database writes it. Only concurrency.delete_outcomes()
-- deletes rows.
GRANT INSERT (attempt_id, transaction_name, committed) ON concurrency.transaction_outcomes TO neobank_app;
GRANT EXECUTE ON FUNCTION concurrency.delete_outcomes(double precision, integer) TO neobank_app;
