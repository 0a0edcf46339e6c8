WITH taken AS MATERIALIZED (
    SELECT
        lock.relation,
        pg_catalog.bool_or(lock.mode = 'AccessExclusiveLock') AS wholly,
        -- VACUUM, ANALYZE and others take the same lock: only who builds is in this progress, whatever else of it is hidden.
        pg_catalog.bool_or(lock.granted AND lock.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'AccessExclusiveLock')
            AND lock.pid IN (SELECT build.pid FROM pg_catalog.pg_stat_progress_create_index AS build)) AS to_build
    FROM pg_catalog.pg_locks AS lock
    WHERE lock.locktype = 'relation' AND lock.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
        AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    GROUP BY lock.relation
)
SELECT
    space.nspname::pg_catalog.text AS schema_name,
    owner.relname::pg_catalog.text AS table_name,
    class.relname::pg_catalog.text AS index_name,
    method.amname::pg_catalog.text AS method,
    CASE WHEN NOT held.is_locked THEN pg_catalog.pg_relation_size(class.oid) END AS size_bytes,
    entry.indisvalid AS is_valid,
    entry.indisready AS is_ready,
    -- REINDEX builds indexes that the progress does not name, and a role may not see of which table others' progress is:
    -- whoever builds also holds a lock on the table.
    coalesce(of_table.to_build, false)
        OR EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS build
                   WHERE build.relid = owner.oid AND build.datname = pg_catalog.current_database()) AS is_being_built,
    entry.indisunique AS is_unique,
    -- By the table, which has an index; a foreign key names the other table's index too.
    CASE WHEN entry.indisunique OR entry.indisexclusion THEN (
        SELECT rule.conname::pg_catalog.text FROM pg_catalog.pg_constraint AS rule
        WHERE rule.conrelid = owner.oid AND rule.conindid = class.oid AND rule.contype IN ('p', 'u', 'x')
        LIMIT 1)
    END AS constraint_name,
    -- Changes of the referenced table find this table's rows by it, and no counter of queries shows how slow they are
    -- without. A table with a foreign key has triggers; the flag spares all other tables the search.
    CASE WHEN owner.relhastriggers AND entry.indpred IS NULL THEN (
        SELECT rule.conname::pg_catalog.text FROM pg_catalog.pg_constraint AS rule
        WHERE rule.conrelid = owner.oid AND rule.contype = 'f'
            AND pg_catalog.cardinality(rule.conkey) <= entry.indnkeyatts
            AND rule.conkey OPERATOR(pg_catalog.<@)
                (entry.indkey::pg_catalog.int2[])[0:pg_catalog.cardinality(rule.conkey) - 1]
        ORDER BY rule.conname LIMIT 1)
    END AS foreign_key_name,
    entry.indisreplident AS is_replica_identity,
    entry.indisclustered AS is_clustered,
    class.relispartition AS is_of_partition,
    ARRAY(SELECT pg_catalog.concat(
              CASE
                  WHEN entry.indkey[place] <> 0 THEN (
                      SELECT pg_catalog.quote_ident(field.attname) FROM pg_catalog.pg_attribute AS field
                      WHERE field.attrelid = owner.oid AND field.attnum = entry.indkey[place])
                  WHEN NOT held.is_locked THEN pg_catalog.pg_get_indexdef(class.oid, place + 1, false)
                  ELSE pg_catalog.concat('unknown:', class.oid)
              END, ' ', entry.indclass[place], ' ', entry.indcollation[place], ' ', entry.indoption[place])
          FROM pg_catalog.generate_series(0, entry.indnkeyatts - 1) AS place
          ORDER BY place) AS keys,
    CASE WHEN entry.indnatts > entry.indnkeyatts THEN ARRAY(
        SELECT pg_catalog.quote_ident(field.attname)
        FROM pg_catalog.generate_series(entry.indnkeyatts, entry.indnatts - 1) AS place
        JOIN pg_catalog.pg_attribute AS field ON field.attrelid = owner.oid AND field.attnum = entry.indkey[place]
        ORDER BY place)
    ELSE ARRAY[]::pg_catalog.text[]
    END AS included,
    CASE
        WHEN entry.indpred IS NULL THEN NULL
        WHEN NOT held.is_locked THEN pg_catalog.pg_get_expr(entry.indpred, entry.indrelid)
        ELSE pg_catalog.concat('unknown:', class.oid)
    END AS predicate,
    pg_catalog.pg_stat_get_numscans(class.oid) AS scans,
    {last_scan} AS last_scan,
    (SELECT pg_catalog.pg_stat_get_db_stat_reset_time(oid) FROM pg_catalog.pg_database
     WHERE datname = pg_catalog.current_database()) AS counted_since,
    -- The counters are at least as old as the server's start, unless they were reset since.
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - greatest(pg_catalog.pg_postmaster_start_time(),
        (SELECT pg_catalog.pg_stat_get_db_stat_reset_time(oid) FROM pg_catalog.pg_database
         WHERE datname = pg_catalog.current_database()))) AS counted_seconds,
    pg_catalog.pg_is_in_recovery()
        OR EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_type = 'physical')
        OR EXISTS (SELECT FROM pg_catalog.pg_stat_replication) AS has_standbys
FROM pg_catalog.pg_index AS entry
JOIN pg_catalog.pg_class AS class ON class.oid = entry.indexrelid AND class.relkind = 'i'
JOIN pg_catalog.pg_class AS owner ON owner.oid = entry.indrelid AND owner.relkind IN ('r', 'm') AND owner.relpersistence <> 't'
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam
JOIN pg_catalog.pg_namespace AS space ON space.oid = owner.relnamespace
-- Sizes and expressions of what somebody wants for himself would be waited for.
LEFT JOIN taken AS of_table ON of_table.relation = owner.oid
LEFT JOIN taken AS of_index ON of_index.relation = class.oid
CROSS JOIN LATERAL (
    SELECT coalesce(of_table.wholly, false) OR coalesce(of_index.wholly, false) AS is_locked
) AS held
WHERE CASE WHEN $1 IS NULL
           THEN NOT pg_catalog.starts_with(space.nspname, 'pg_') AND space.nspname <> 'information_schema'
           ELSE space.nspname = ANY ($1) END
ORDER BY schema_name, table_name, index_name
