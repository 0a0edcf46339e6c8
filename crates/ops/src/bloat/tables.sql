-- An estimate from statistics alone: it reads no table and waits for no lock. $1: the schemas; null
-- for all of users'.
WITH RECURSIVE taken AS MATERIALIZED (
    -- Reading the size of a relation would wait for a session that has locked it exclusively, or
    -- waits for that lock.
    SELECT lock.relation AS relation_id
    FROM pg_catalog.pg_locks AS lock
    WHERE lock.locktype = 'relation' AND lock.mode = 'AccessExclusiveLock'
      AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND lock.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
), relation AS MATERIALIZED (
    SELECT
        class.oid AS relation_id,
        space.nspname AS schema_name,
        class.relname AS table_name,
        pg_catalog.current_setting('block_size')::pg_catalog.float8 AS page_size,
        coalesce((SELECT option.option_value::pg_catalog.int4 FROM pg_catalog.pg_options_to_table(class.reloptions) AS option
                  WHERE option.option_name = 'fillfactor'), 100) AS fillfactor,
        held.is_locked,
        CASE WHEN held.is_locked THEN class.relpages * pg_catalog.current_setting('block_size')::pg_catalog.int8
             ELSE pg_catalog.pg_relation_size(class.oid) END AS size_bytes,
        CASE WHEN held.is_locked OR class.reltoastrelid = 0 THEN 0
             ELSE coalesce(pg_catalog.pg_relation_size(class.reltoastrelid), 0) END AS toast_bytes,
        class.reltuples,
        class.relpages,
        pg_catalog.pg_stat_get_live_tuples(class.oid) AS live_tuples,
        pg_catalog.pg_stat_get_dead_tuples(class.oid) AS dead_tuples,
        pg_catalog.pg_stat_get_mod_since_analyze(class.oid) AS changes_since_analyze,
        greatest(pg_catalog.pg_stat_get_last_analyze_time(class.oid),
                 pg_catalog.pg_stat_get_last_autoanalyze_time(class.oid)) AS last_analyzed,
        pg_catalog.pg_stat_get_last_vacuum_time(class.oid) AS last_vacuum,
        pg_catalog.pg_stat_get_last_autovacuum_time(class.oid) AS last_autovacuum,
        pg_catalog.has_table_privilege(class.oid, 'SELECT') AND NOT pg_catalog.row_security_active(class.oid) AS may_read
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    JOIN pg_catalog.pg_am AS method ON method.oid = class.relam AND method.amname = 'heap'
    CROSS JOIN LATERAL (SELECT
        class.oid IN (SELECT taken.relation_id FROM taken)
            OR class.reltoastrelid IN (SELECT taken.relation_id FROM taken) AS is_locked
    ) AS held
    WHERE class.relkind IN ('r', 'm') AND class.relpersistence <> 't'
      AND CASE WHEN $1 IS NULL
               THEN NOT pg_catalog.starts_with(space.nspname, 'pg_') AND space.nspname <> 'information_schema'
               ELSE space.nspname = ANY ($1) END
    -- The largest: a smaller table has less bloat than any of these can have.
    ORDER BY size_bytes DESC NULLS LAST, class.oid
    LIMIT 1000
), field AS MATERIALIZED (
    SELECT
        relation.relation_id,
        pg_catalog.count(*)::pg_catalog.int4 AS field_count,
        pg_catalog.array_agg(shape.width ORDER BY attribute.attnum) AS widths,
        pg_catalog.array_agg(CASE
            WHEN kept.is_absent THEN 1
            -- A value of up to 126 bytes has a short header, and no alignment.
            WHEN attribute.attlen < 0 AND shape.width < 127 THEN 1
            ELSE CASE attribute.attalign WHEN 'd' THEN 8 WHEN 'i' THEN 4 WHEN 's' THEN 2 ELSE 1 END
        END ORDER BY attribute.attnum) AS alignments,
        pg_catalog.array_agg(attribute.attlen > 0 AND NOT kept.is_absent ORDER BY attribute.attnum) AS are_fixed,
        pg_catalog.array_agg(CASE WHEN kept.is_absent THEN 0 ELSE 1 - coalesce(known.null_frac, 0) END
                  ORDER BY attribute.attnum) AS presences,
        pg_catalog.bool_or(NOT kept.is_absent AND known.avg_width IS NULL
                AND (attribute.attlen < 0 OR NOT attribute.attnotnull)) AS lacks_statistics,
        pg_catalog.bool_or(attribute.attisdropped) AS has_dropped_field,
        pg_catalog.bool_or(attribute.atthasmissing) AS has_late_field
    FROM relation
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = relation.relation_id AND attribute.attnum > 0
    LEFT JOIN pg_catalog.pg_stats AS known
        ON known.schemaname = relation.schema_name AND known.tablename = relation.table_name
       AND known.attname = attribute.attname AND NOT known.inherited
    -- A virtual generated column is a null in every row.
    CROSS JOIN LATERAL (SELECT attribute.attisdropped OR attribute.attgenerated = 'v' AS is_absent) AS kept
    -- The statistics truncate the mean of varying widths to a whole number: half a byte on average.
    CROSS JOIN LATERAL (SELECT (CASE
        WHEN kept.is_absent THEN 0
        WHEN attribute.attlen > 0 THEN attribute.attlen
        ELSE coalesce(known.avg_width, 32) + 0.5
    END)::pg_catalog.float8 AS width) AS shape
    GROUP BY relation.relation_id
), layout AS (
    -- Field by field, in the order of a row. rest: the offset of the next field, modulo 8; null
    -- when that differs between rows. slack: the possible error in bytes. full_part: the fraction
    -- of rows without a null.
    SELECT
        field.*,
        0 AS place,
        0::pg_catalog.float8 AS bytes,
        0 AS rest,
        0::pg_catalog.float8 AS slack,
        1::pg_catalog.float8 AS full_part
    FROM field
    UNION ALL
    SELECT
        layout.relation_id, layout.field_count, layout.widths, layout.alignments, layout.are_fixed, layout.presences,
        layout.lacks_statistics, layout.has_dropped_field, layout.has_late_field,
        layout.place + 1,
        layout.bytes + this.presence * (padding.bytes + this.width),
        CASE
            WHEN this.presence = 0 THEN layout.rest
            WHEN NOT this.is_fixed THEN NULL
            WHEN this.presence = 1 AND layout.rest IS NULL THEN CASE WHEN this.alignment = 8 THEN this.width::pg_catalog.int4 % 8 END
            WHEN this.presence = 1 OR (padding.bytes + this.width)::pg_catalog.int4 % 8 = 0
                THEN (layout.rest + padding.bytes + this.width)::pg_catalog.int4 % 8
        END,
        layout.slack + this.presence * (
            CASE WHEN layout.rest IS NULL THEN (this.alignment - 1) / 2.0 ELSE 0 END
            + CASE WHEN this.is_fixed THEN 0 ELSE 0.5 END),
        layout.full_part * this.presence
    FROM layout
    CROSS JOIN LATERAL (
        SELECT
            layout.widths[layout.place + 1] AS width,
            layout.alignments[layout.place + 1] AS alignment,
            layout.are_fixed[layout.place + 1] AS is_fixed,
            layout.presences[layout.place + 1]::pg_catalog.float8 AS presence
    ) AS this
    CROSS JOIN LATERAL (
        SELECT (CASE WHEN layout.rest IS NULL THEN (this.alignment - 1) / 2.0
                     ELSE (this.alignment - layout.rest % this.alignment) % this.alignment
                END)::pg_catalog.float8 AS bytes
    ) AS padding
    WHERE layout.place < layout.field_count
), row_size AS MATERIALIZED (
    SELECT
        layout.*,
        layout.rest IS NOT NULL AND layout.slack = 0 AS is_exact,
        -- The header, with the bitmap of nulls in the rows that have one, and the padding of the
        -- row to a multiple of 8.
        24 + (1 - layout.full_part) * (((23 + (layout.field_count + 7) / 8 + 7) / 8) * 8 - 24)
            + layout.bytes + coalesce((8 - layout.rest) % 8, 3.5) AS row_bytes,
        layout.slack + CASE WHEN layout.rest IS NULL THEN 3.5 ELSE 0 END AS row_slack
    FROM layout
    WHERE layout.place = layout.field_count
), counted AS (
    SELECT
        relation.*,
        row_size.is_exact, row_size.row_bytes, row_size.row_slack, row_size.lacks_statistics,
        row_size.has_dropped_field, row_size.has_late_field,
        relation.size_bytes / relation.page_size AS pages,
        CASE
            WHEN relation.last_analyzed IS NOT NULL OR relation.reltuples < 0 THEN relation.live_tuples
            ELSE relation.reltuples / greatest(relation.relpages, 1) * relation.size_bytes / relation.page_size
        END AS live
    FROM relation
    JOIN row_size USING (relation_id)
), used AS (
    SELECT
        counted.*,
        counted.pages * 24 + (counted.live + counted.dead_tuples) * counted.row_bytes AS used_bytes,
        -- A line pointer of 4 bytes for each row; those of removed rows may still exist, at most as
        -- many as fit a page.
        4 * (counted.live + counted.dead_tuples) AS pointer_bytes_min,
        4 * greatest(counted.live + counted.dead_tuples,
                     counted.pages * (counted.page_size - 24) / (counted.row_bytes + 4)) AS pointer_bytes_max,
        -- The number of rows on a page that is filled up to its fillfactor.
        greatest(CASE WHEN counted.is_exact THEN pg_catalog.floor(part.rows) ELSE part.rows - 0.5 END, 1) AS rows_per_page
    FROM counted
    CROSS JOIN LATERAL (
        SELECT (counted.page_size * counted.fillfactor / 100 - 24) / (counted.row_bytes + 4) AS rows
    ) AS part
), estimate AS (
    SELECT
        used.*,
        access.is_blind,
        CASE WHEN access.is_blind THEN 0 ELSE least(greatest(used.size_bytes - used.used_bytes - (used.pointer_bytes_min + used.pointer_bytes_max) / 2, 0),
              used.size_bytes) END AS free_bytes,
        CASE WHEN access.is_blind THEN 0 ELSE least(used.dead_tuples * used.row_bytes, used.size_bytes) END AS dead_bytes,
        CASE WHEN access.is_blind THEN 0 ELSE least(greatest(used.size_bytes - pg_catalog.ceil(used.live / used.rows_per_page) * used.page_size, 0), used.size_bytes) END AS bloat_bytes,
        -- The width and the existence of rows that changed since are unknown.
        CASE WHEN used.size_bytes = 0 THEN 0
             ELSE 100 * used.changes_since_analyze * used.row_bytes / used.size_bytes END AS change_margin,
        -- One point for the error of sampling.
        1 + CASE WHEN used.size_bytes = 0 THEN 0 ELSE
            100 * ((used.live + used.dead_tuples) * used.row_slack + (used.pointer_bytes_max - used.pointer_bytes_min) / 2)
            / used.size_bytes END AS width_margin,
        pg_catalog.array_remove(ARRAY[
            CASE WHEN used.is_locked THEN 'the table is locked' END,
            CASE WHEN used.last_analyzed IS NULL THEN 'never analyzed' END,
            CASE WHEN access.is_blind THEN 'statistics may not be read'
                 WHEN used.lacks_statistics THEN 'statistics are missing' END,
            CASE WHEN used.changes_since_analyze > 0.1 * (used.live + used.dead_tuples)
                   OR used.changes_since_analyze > 0 AND pg_catalog.abs(used.pages - used.relpages) > 0.02 * used.relpages
                   -- A vacuum counts the pages again, so that they no longer show the file's
                   -- growth.
                   OR used.changes_since_analyze > 0.02 * (used.live + used.dead_tuples)
                      AND greatest(used.last_vacuum, used.last_autovacuum) > used.last_analyzed
                 THEN 'statistics are stale'
                 WHEN used.changes_since_analyze > 0 AND used.last_analyzed < pg_catalog.clock_timestamp() - interval '30 days'
                 THEN 'statistics are old' END,
            CASE WHEN used.has_dropped_field THEN 'a column was dropped' END,
            CASE WHEN used.has_late_field THEN 'a column was added later' END,
            CASE WHEN used.used_bytes + used.pointer_bytes_min > 1.05 * used.size_bytes THEN 'statistics contradict the size' END
        ], NULL) AS doubts
    FROM used
    -- Without the widths there is no estimate, and a figure would be misleading.
    CROSS JOIN LATERAL (SELECT NOT used.may_read AND used.lacks_statistics AS is_blind) AS access
    -- A table that was dropped in between has no size.
    WHERE used.size_bytes IS NOT NULL
), judged AS (
    SELECT
        estimate.*,
        CASE WHEN estimate.is_blind THEN 100 ELSE estimate.width_margin + estimate.change_margin END AS margin_percent,
        estimate.doubts
            || CASE WHEN estimate.is_blind THEN ARRAY[]::pg_catalog.text[]
                    WHEN estimate.width_margin > 5 THEN ARRAY['the width of rows varies too much']
                    WHEN estimate.width_margin + estimate.change_margin > 5 AND NOT 'statistics are stale' = ANY (estimate.doubts)
                    THEN ARRAY['statistics are stale'] END AS all_doubts
    FROM estimate
)
SELECT
    judged.schema_name::pg_catalog.text AS schema_name,
    judged.table_name::pg_catalog.text AS table_name,
    judged.size_bytes::pg_catalog.int8 AS size_bytes,
    judged.toast_bytes::pg_catalog.int8 AS toast_bytes,
    judged.fillfactor::pg_catalog.int4 AS fillfactor,
    judged.live::pg_catalog.int8 AS live_tuples,
    judged.dead_tuples::pg_catalog.int8 AS dead_tuples,
    judged.row_bytes::pg_catalog.float8 AS row_bytes,
    judged.free_bytes::pg_catalog.int8 AS free_bytes,
    judged.dead_bytes::pg_catalog.int8 AS dead_bytes,
    judged.bloat_bytes::pg_catalog.int8 AS bloat_bytes,
    coalesce(100 * judged.free_bytes / nullif(judged.size_bytes, 0), 0)::pg_catalog.float8 AS free_percent,
    coalesce(100 * judged.dead_bytes / nullif(judged.size_bytes, 0), 0)::pg_catalog.float8 AS dead_percent,
    coalesce(100 * judged.bloat_bytes / nullif(judged.size_bytes, 0), 0)::pg_catalog.float8 AS bloat_percent,
    judged.margin_percent::pg_catalog.float8 AS margin_percent,
    pg_catalog.cardinality(judged.all_doubts) = 0 AS is_confident,
    judged.all_doubts AS doubts,
    judged.last_analyzed,
    judged.last_vacuum,
    judged.last_autovacuum
FROM judged
ORDER BY judged.bloat_bytes DESC, judged.schema_name, judged.table_name
