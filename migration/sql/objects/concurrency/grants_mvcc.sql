-- The function reads a table with the privileges of its caller.
GRANT EXECUTE ON FUNCTION concurrency.show_mvcc_info(text, bigint, integer) TO neobank_app, neobank_read;
-- The function returns constants and reads nothing.
GRANT EXECUTE ON FUNCTION concurrency.demonstrate_isolation_levels() TO neobank_app, neobank_read;
