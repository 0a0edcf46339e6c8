GRANT EXECUTE ON FUNCTION concurrency.table_bloat(text[]) TO neobank_app, neobank_read;
GRANT SELECT ON concurrency.v_table_bloat TO neobank_app, neobank_read;
