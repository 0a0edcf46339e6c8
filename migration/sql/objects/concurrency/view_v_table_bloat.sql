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
COMMENT ON VIEW concurrency.v_table_bloat IS 'Bloat of the 1,000 largest tables, without the system''s: an estimate with a margin and doubts.';
COMMENT ON COLUMN concurrency.v_table_bloat.dead_tuple_ratio IS 'The percentage of dead row versions. After a vacuum it is 0, however empty the file is.';
COMMENT ON COLUMN concurrency.v_table_bloat.status IS 'A verdict on dead rows alone, not on bloat.';
COMMENT ON COLUMN concurrency.v_table_bloat.free_percent IS 'Free space for new rows, with the reserve of the fillfactor, as a percentage of the file.';
COMMENT ON COLUMN concurrency.v_table_bloat.bloat_percent IS 'The part of the file that a rewrite would free.';
COMMENT ON COLUMN concurrency.v_table_bloat.margin_percent IS 'The possible error of free and dead space together, in percentage points.';
COMMENT ON COLUMN concurrency.v_table_bloat.is_confident IS 'True if the margin is at most 5 points and doubts is empty.';
