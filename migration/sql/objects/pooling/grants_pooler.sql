GRANT EXECUTE ON FUNCTION pooling.calculate_pool_size, pooling.generate_pgbouncer_config(jsonb) TO neobank_app, neobank_read;
