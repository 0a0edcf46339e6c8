GRANT EXECUTE ON FUNCTION concurrency.table_bloat(text[]), concurrency.index_bloat(text[]) TO neobank_app, neobank_read;
GRANT SELECT ON concurrency.v_table_bloat, concurrency.v_index_bloat TO neobank_app, neobank_read;
