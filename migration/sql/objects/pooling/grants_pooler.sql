GRANT EXECUTE ON FUNCTION pooling.calculate_pool_size TO neobank_app, neobank_read;
