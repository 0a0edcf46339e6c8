-- An estimate from statistics alone: it reads no index and waits for no lock. $1: the schemas; null
-- for all of users'.
WITH taken AS MATERIALIZED (
    -- Reading the size of a relation would wait for a session that has locked it exclusively, or
    -- waits for that lock.
    SELECT lock.relation AS relation_id
    FROM pg_catalog.pg_locks AS lock
    WHERE lock.locktype = 'relation' AND lock.mode = 'AccessExclusiveLock'
      AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND lock.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
), tree AS MATERIALIZED (
    SELECT
        class.oid AS index_id,
        owner.oid AS table_id,
        space.nspname AS schema_name,
        owner.relname AS table_name,
        class.relname AS index_name,
        entry.indkey::pg_catalog.int2[] AS keys,
        entry.indisunique AS is_unique,
        entry.indisvalid AS is_valid,
        pg_catalog.has_table_privilege(owner.oid, 'SELECT') AND NOT pg_catalog.row_security_active(owner.oid) AS may_read,
        class.reltuples AS entries,
        pg_catalog.current_setting('block_size')::pg_catalog.float8 AS page_size,
        coalesce((SELECT option.option_value::pg_catalog.int4 FROM pg_catalog.pg_options_to_table(class.reloptions) AS option
                  WHERE option.option_name = 'fillfactor'), 90) AS fillfactor,
        held.is_locked,
        CASE WHEN held.is_locked THEN class.relpages * pg_catalog.current_setting('block_size')::pg_catalog.int8
             ELSE pg_catalog.pg_relation_size(class.oid) END AS size_bytes,
        coalesce(pg_catalog.pg_stat_get_last_analyze_time(owner.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(owner.oid)) AS last_analyzed,
        pg_catalog.pg_stat_get_mod_since_analyze(owner.oid) AS changes_since_analyze,
        pg_catalog.pg_stat_get_dead_tuples(owner.oid) AS dead_rows,
        -- The number of a partial index's entries in the sample that counted them; null where all
        -- rows were counted, or all are entries.
        CASE WHEN entry.indpred IS NOT NULL AND sample.rows < owner.reltuples
             THEN sample.rows * greatest(class.reltuples, 0) / owner.reltuples END AS sampled_entries
    FROM pg_catalog.pg_index AS entry
    JOIN pg_catalog.pg_class AS class ON class.oid = entry.indexrelid AND class.relkind = 'i'
    JOIN pg_catalog.pg_am AS method ON method.oid = class.relam AND method.amname = 'btree'
    JOIN pg_catalog.pg_class AS owner ON owner.oid = entry.indrelid AND owner.relpersistence <> 't' AND owner.relkind <> 't'
    JOIN pg_catalog.pg_namespace AS space ON space.oid = owner.relnamespace
    CROSS JOIN LATERAL (SELECT
        class.oid IN (SELECT taken.relation_id FROM taken) OR owner.oid IN (SELECT taken.relation_id FROM taken) AS is_locked
    ) AS held
    -- An analyze reads 300 rows for each step of the largest target of a column.
    CROSS JOIN LATERAL (SELECT CASE WHEN entry.indpred IS NOT NULL THEN (
        SELECT 300.0::pg_catalog.float8 * pg_catalog.max(coalesce(nullif(attribute.attstattarget, -1),
            pg_catalog.current_setting('default_statistics_target')::pg_catalog.int4))
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = owner.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
    ) END AS rows) AS sample
    WHERE CASE WHEN $1 IS NULL
               THEN NOT pg_catalog.starts_with(space.nspname, 'pg_') AND space.nspname <> 'information_schema'
               ELSE space.nspname = ANY ($1) END
    -- The largest: a smaller index has less bloat than any of these can have.
    ORDER BY size_bytes DESC NULLS LAST, class.oid
    LIMIT 1000
), field AS (
    SELECT
        tree.index_id,
        attribute.attnum AS place,
        attribute.attlen > 0 AS is_fixed,
        CASE WHEN attribute.attlen < 0 THEN 1
             ELSE CASE attribute.attalign WHEN 'd' THEN 8 WHEN 'i' THEN 4 WHEN 's' THEN 2 ELSE 1 END END AS alignment,
        (CASE WHEN attribute.attlen > 0 THEN attribute.attlen ELSE coalesce(known.avg_width, 32) + 0.5 END)::pg_catalog.float8 AS width,
        1 - coalesce(known.null_frac, 0) AS presence,
        known.n_distinct = -1 AS is_distinct,
        known.avg_width IS NULL AND attribute.attlen < 0 AS lacks_statistics,
        -- An index on a column of the type name stores each name without its padding, and no
        -- statistics contain that length.
        source.atttypid IS NOT NULL AND source.atttypid <> attribute.atttypid AS is_of_unknown_width
    FROM tree
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = tree.index_id AND attribute.attnum > 0
    LEFT JOIN pg_catalog.pg_attribute AS source
        ON source.attrelid = tree.table_id AND source.attnum = tree.keys[attribute.attnum - 1] AND source.attnum > 0
    -- The statistics of an expression are under the index's own name.
    LEFT JOIN pg_catalog.pg_stats AS known
        ON known.schemaname = tree.schema_name AND NOT known.inherited
       AND known.tablename = CASE WHEN source.attnum IS NULL THEN tree.index_name ELSE tree.table_name END
       AND known.attname = coalesce(source.attname, attribute.attname)
), shape AS (
    SELECT
        field.index_id,
        pg_catalog.bool_or(field.lacks_statistics) AS lacks_statistics,
        pg_catalog.bool_or(field.is_of_unknown_width) AS has_unknown_width,
        coalesce(pg_catalog.bool_or(field.is_distinct), false) AS has_distinct_field,
        pg_catalog.sum(field.presence * field.width) AS bytes,
        pg_catalog.sum(CASE WHEN field.is_fixed THEN 0 WHEN field.is_of_unknown_width THEN field.width ELSE 0.5 END) AS slack,
        pg_catalog.sum(CASE WHEN field.place > 1 THEN (field.alignment - 1) / 2.0 ELSE 0 END) AS padding,
        -- Fields that keep each other aligned.
        pg_catalog.bool_and(field.is_fixed AND field.width::pg_catalog.int4 % 8 = 0)
            OR pg_catalog.bool_and(field.is_fixed AND field.width::pg_catalog.int4 % field.alignment = 0)
            AND pg_catalog.count(DISTINCT field.alignment) = 1 AS is_even,
        pg_catalog.bool_and(field.presence = 1) AS is_full
    FROM field
    GROUP BY field.index_id
), entry AS (
    SELECT
        tree.*,
        shape.lacks_statistics,
        shape.has_unknown_width,
        shape.lacks_statistics AND NOT tree.may_read AS is_blind,
        shape.has_distinct_field,
        CASE
            WHEN shape.is_even AND shape.is_full THEN pg_catalog.ceil((8 + shape.bytes) / 8) * 8
            ELSE 8 + shape.bytes + CASE WHEN shape.is_even THEN 0 ELSE shape.padding END + 3.5 + CASE WHEN shape.is_full THEN 0 ELSE 4 END
        END AS entry_bytes,
        CASE
            WHEN shape.is_even AND shape.is_full THEN 0
            ELSE shape.slack + CASE WHEN shape.is_even THEN 0 ELSE shape.padding END + 3.5 + CASE WHEN shape.is_full THEN 0 ELSE 4 END
        END AS entry_slack
    FROM tree
    JOIN shape USING (index_id)
), leaf AS (
    SELECT
        entry.*,
        -- A page has a header of 24 bytes and a trailer of 16; the first page holds no entries, and
        -- inner pages point to the leaves.
        entry.page_size - 40 AS room,
        greatest((entry.size_bytes / entry.page_size - 1) * (1 - (entry.entry_bytes + 4) / (entry.page_size - 40)), 0) AS leaves
    FROM entry
), estimate AS (
    SELECT
        leaf.*,
        leaf.leaves * leaf.room AS leaf_bytes,
        -- Each leaf repeats the first entry of the next one.
        (greatest(leaf.entries, 0) + leaf.leaves) * (leaf.entry_bytes + 4) AS used_bytes,
        greatest(pg_catalog.floor(leaf.room * leaf.fillfactor / 100 / (leaf.entry_bytes + 4)) - 1, 1) AS entries_per_leaf
    FROM leaf
), judged AS (
    SELECT
        estimate.*,
        CASE WHEN estimate.is_blind THEN 0
             WHEN estimate.leaf_bytes > 0 THEN least(greatest(100 * (1 - estimate.used_bytes / estimate.leaf_bytes), 0), 100) ELSE 0 END AS free_percent,
        CASE WHEN estimate.is_blind THEN 0 ELSE least(greatest(estimate.size_bytes - estimate.page_size * (1 + pg_catalog.ceil(pg_catalog.ceil(greatest(estimate.entries, 0) / estimate.entries_per_leaf)
            * (1 + (estimate.entry_bytes + 4) / estimate.room))), 0), estimate.size_bytes) END AS bloat_bytes,
        2 + CASE WHEN estimate.leaf_bytes > 0 THEN 100 * greatest(estimate.entries, 0) * estimate.entry_slack / estimate.leaf_bytes ELSE 0 END AS width_margin,
        -- Entries of dead rows stay until a vacuum, and those of later rows are not counted.
        CASE WHEN estimate.leaf_bytes > 0 THEN 100 * (estimate.dead_rows + estimate.changes_since_analyze) * (estimate.entry_bytes + 4) / estimate.leaf_bytes
             ELSE 0 END AS change_margin,
        -- Twice the standard deviation of a count in a sample.
        CASE WHEN estimate.sampled_entries IS NULL THEN 0
             ELSE least(200 / pg_catalog.sqrt(greatest(estimate.sampled_entries, 1)), 100) END AS sample_margin,
        pg_catalog.array_remove(ARRAY[
            CASE WHEN estimate.is_locked THEN 'the table is locked' END,
            CASE WHEN NOT estimate.is_valid THEN 'the index is not valid' END,
            CASE WHEN estimate.last_analyzed IS NULL OR estimate.entries < 0 THEN 'never analyzed' END,
            CASE WHEN estimate.is_blind THEN 'statistics may not be read'
                 WHEN estimate.lacks_statistics THEN 'statistics are missing' END,
            CASE WHEN estimate.has_unknown_width THEN 'the width of its names is unknown' END,
            CASE WHEN estimate.dead_rows > 0.02 * greatest(estimate.entries, 0) THEN 'dead rows' END,
            CASE WHEN estimate.changes_since_analyze > 0.02 * greatest(estimate.entries, 0) THEN 'statistics are stale' END,
            CASE WHEN NOT estimate.is_unique AND NOT estimate.has_distinct_field THEN 'equal entries are merged' END,
            CASE WHEN estimate.used_bytes > 1.05 * estimate.leaf_bytes AND estimate.size_bytes > 2 * estimate.page_size
                 THEN 'statistics contradict the size' END
        ], NULL) AS doubts
    FROM estimate
    -- An index that was dropped in between has no size.
    WHERE estimate.size_bytes IS NOT NULL
), weighed AS (
    SELECT
        judged.*,
        CASE WHEN judged.is_blind THEN 100
             ELSE judged.width_margin + judged.change_margin + judged.sample_margin END AS margin_percent,
        judged.doubts
            || CASE WHEN judged.width_margin > 5 AND NOT judged.is_blind AND NOT judged.has_unknown_width THEN ARRAY['the width of entries varies too much'] END
            || CASE WHEN judged.width_margin <= 5 AND judged.width_margin + judged.sample_margin > 5
                    THEN ARRAY['few entries were in the sample'] END
            || CASE WHEN judged.width_margin + judged.sample_margin <= 5
                     AND judged.width_margin + judged.change_margin + judged.sample_margin > 5
                     AND NOT judged.doubts && ARRAY['dead rows', 'statistics are stale']
                    THEN ARRAY['statistics are stale'] END AS all_doubts
    FROM judged
)
SELECT
    weighed.schema_name::pg_catalog.text AS schema_name,
    weighed.table_name::pg_catalog.text AS table_name,
    weighed.index_name::pg_catalog.text AS index_name,
    weighed.size_bytes::pg_catalog.int8 AS size_bytes,
    weighed.fillfactor::pg_catalog.int4 AS fillfactor,
    greatest(weighed.entries, 0)::pg_catalog.int8 AS entries,
    weighed.entry_bytes::pg_catalog.float8 AS entry_bytes,
    weighed.free_percent::pg_catalog.float8 AS free_percent,
    weighed.bloat_bytes::pg_catalog.int8 AS bloat_bytes,
    coalesce(100 * weighed.bloat_bytes / nullif(weighed.size_bytes, 0), 0)::pg_catalog.float8 AS bloat_percent,
    weighed.margin_percent::pg_catalog.float8 AS margin_percent,
    pg_catalog.cardinality(weighed.all_doubts) = 0 AS is_confident,
    weighed.all_doubts AS doubts
FROM weighed
ORDER BY weighed.bloat_bytes DESC, weighed.schema_name, weighed.index_name
