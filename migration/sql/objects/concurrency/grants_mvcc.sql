-- It reads a table with the privileges of who asks.
GRANT EXECUTE ON FUNCTION concurrency.show_mvcc_info(text, bigint, integer) TO neobank_app, neobank_read;
-- Constants, which read nothing.
GRANT EXECUTE ON FUNCTION concurrency.demonstrate_isolation_levels() TO neobank_app, neobank_read;
