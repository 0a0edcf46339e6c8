-- All schemas but the system's. For some of them: SELECT * FROM concurrency.table_bloat(ARRAY['banking']).
CREATE OR REPLACE VIEW concurrency.v_table_bloat AS
SELECT
    pg_catalog.format('%I.%I', bloat.schema_name, bloat.table_name) AS table_name,
    bloat.live_tuples,
    bloat.dead_tuples,
    pg_catalog.round(100.0 * bloat.dead_tuples / nullif(bloat.live_tuples + bloat.dead_tuples, 0), 2) AS dead_tuple_ratio,
    bloat.last_vacuum,
    bloat.last_autovacuum,
    CASE
        WHEN bloat.dead_tuples > 0.2 * bloat.live_tuples THEN 'VACUUM NEEDED'
        WHEN bloat.dead_tuples > 0.1 * bloat.live_tuples THEN 'MONITOR'
        ELSE 'OK'
    END AS status,
    bloat.size_bytes,
    bloat.toast_bytes,
    bloat.fillfactor,
    bloat.free_percent,
    bloat.dead_percent,
    bloat.bloat_bytes,
    bloat.bloat_percent,
    bloat.margin_percent,
    bloat.is_confident,
    bloat.doubts,
    bloat.last_analyzed
FROM concurrency.table_bloat() AS bloat;
COMMENT ON VIEW concurrency.v_table_bloat IS 'Bloat of the 1,000 largest tables, without the system''s: an estimate, and how far it can be trusted.';
COMMENT ON COLUMN concurrency.v_table_bloat.dead_tuple_ratio IS 'Percent of the row versions that are dead. After a vacuum it is 0, however empty the file is.';
COMMENT ON COLUMN concurrency.v_table_bloat.status IS 'Whether dead rows are worth a vacuum; it says nothing of bloat.';
COMMENT ON COLUMN concurrency.v_table_bloat.free_percent IS 'Of the file, free for new rows; what the fillfactor reserves is in it.';
COMMENT ON COLUMN concurrency.v_table_bloat.bloat_percent IS 'Of the file, what a rewrite would give back.';
COMMENT ON COLUMN concurrency.v_table_bloat.margin_percent IS 'By how many points free and dead space together may be wrong.';
COMMENT ON COLUMN concurrency.v_table_bloat.is_confident IS 'Whether that is 5 points at most, and nothing speaks against the statistics.';
