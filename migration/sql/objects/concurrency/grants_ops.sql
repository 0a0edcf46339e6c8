GRANT SELECT ON concurrency.v_lock_analysis TO neobank_app, neobank_read;
GRANT EXECUTE ON FUNCTION concurrency.analyse_locks(), concurrency.detect_deadlock_risk() TO neobank_app, neobank_read;
