GRANT SELECT ON concurrency.v_lock_analysis TO neobank_app, neobank_read;
GRANT EXECUTE ON FUNCTION concurrency.detect_deadlock_risk() TO neobank_app, neobank_read;
