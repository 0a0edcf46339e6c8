GRANT SELECT ON pooling.v_connection_analysis, pooling.v_idle_connections TO neobank_app, neobank_read;
GRANT EXECUTE ON FUNCTION pooling.check_pool_health(double precision, bigint, bigint, bigint, bigint, double precision, bigint, bigint, bigint, bigint, bigint, double precision, double precision) TO neobank_app, neobank_read;
