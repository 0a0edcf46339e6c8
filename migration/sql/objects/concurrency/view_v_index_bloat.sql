-- All schemas but the system's. For some of them: SELECT * FROM
-- concurrency.index_bloat(ARRAY['banking']).
CREATE OR REPLACE VIEW concurrency.v_index_bloat AS
SELECT
    pg_catalog.format('%I.%I', bloat.schema_name, bloat.table_name) AS table_name,
    pg_catalog.format('%I.%I', bloat.schema_name, bloat.index_name) AS index_name,
    bloat.size_bytes,
    bloat.fillfactor,
    bloat.entries,
    bloat.free_percent,
    bloat.bloat_bytes,
    bloat.bloat_percent,
    bloat.margin_percent,
    bloat.is_confident,
    bloat.doubts
FROM concurrency.index_bloat() AS bloat;
COMMENT ON VIEW concurrency.v_index_bloat IS 'Bloat of the 1,000 largest B-trees, without the system''s: an estimate with a margin and doubts.';
COMMENT ON COLUMN concurrency.v_index_bloat.entries IS 'Entries, as the last vacuum or analyze counted them.';
COMMENT ON COLUMN concurrency.v_index_bloat.free_percent IS 'Free space in the leaves, with the reserve of the fillfactor.';
COMMENT ON COLUMN concurrency.v_index_bloat.bloat_percent IS 'The part of the file that a rebuild would free.';
COMMENT ON COLUMN concurrency.v_index_bloat.margin_percent IS 'The possible error of free_percent, in percentage points.';
COMMENT ON COLUMN concurrency.v_index_bloat.is_confident IS 'True if the margin is at most 5 points and doubts is empty.';
