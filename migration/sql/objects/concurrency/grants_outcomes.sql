GRANT SELECT, INSERT, DELETE ON concurrency.transaction_outcomes TO neobank_app;
GRANT SELECT ON concurrency.transaction_outcomes TO neobank_read;
