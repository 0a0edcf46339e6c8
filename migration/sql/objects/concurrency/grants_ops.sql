GRANT SELECT ON concurrency.v_lock_analysis TO neobank_app, neobank_read;
