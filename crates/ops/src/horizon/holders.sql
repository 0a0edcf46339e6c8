-- Sessions: their snapshot, or the transaction that they write in. A walsender's is what a standby without a slot asked for.
SELECT
    CASE WHEN activity.backend_type = 'walsender' THEN 'standby_feedback' ELSE 'session' END AS kind,
    activity.pid::pg_catalog.text AS identity,
    activity.pid AS process_id,
    activity.datname::pg_catalog.text AS database_name,
    activity.usename::pg_catalog.text AS user_name,
    activity.application_name AS application_name,
    coalesce(activity.state, activity.backend_type) AS state,
    pg_catalog.age(oldest.number)::pg_catalog.int8 AS age_transactions,
    extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::pg_catalog.float8 AS age_seconds,
    false AS is_catalog_only
FROM pg_catalog.pg_stat_activity AS activity
-- The one that is further back.
CROSS JOIN LATERAL (SELECT CASE
    WHEN activity.backend_xmin IS NULL THEN activity.backend_xid
    WHEN activity.backend_xid IS NULL OR pg_catalog.age(activity.backend_xmin) >= pg_catalog.age(activity.backend_xid)
        THEN activity.backend_xmin
    ELSE activity.backend_xid
END AS number) AS oldest
WHERE oldest.number IS NOT NULL AND activity.pid <> pg_catalog.pg_backend_pid()
    -- A parallel query's workers have their leader's snapshot.
    AND activity.backend_type IS DISTINCT FROM 'parallel worker'
    -- The server leaves those out that VACUUM; not those that VACUUM FULL or ANALYZE.
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS vacuum WHERE vacuum.pid = activity.pid)
UNION ALL
SELECT
    'prepared_transaction', prepared.gid, NULL, prepared.database::pg_catalog.text, prepared.owner::pg_catalog.text, NULL, 'prepared',
    pg_catalog.age(prepared.transaction)::pg_catalog.int8,
    extract(epoch FROM pg_catalog.clock_timestamp() - prepared.prepared)::pg_catalog.float8,
    false
FROM pg_catalog.pg_prepared_xacts AS prepared
UNION ALL
SELECT
    -- Of no one database: a logical slot keeps the catalogs' old rows of all of them.
    'replication_slot', slot.slot_name::pg_catalog.text, slot.active_pid, NULL, NULL, NULL,
    CASE WHEN slot.active THEN 'active' ELSE 'inactive' END,
    pg_catalog.age(held.number)::pg_catalog.int8,
    NULL,
    held.is_catalog_only
FROM pg_catalog.pg_replication_slots AS slot
CROSS JOIN LATERAL (VALUES (slot.xmin, false), (slot.catalog_xmin, true)) AS held (number, is_catalog_only)
-- A slot that was given up holds nothing, although it still says what it held.
WHERE held.number IS NOT NULL AND slot.wal_status IS DISTINCT FROM 'lost'
ORDER BY age_transactions DESC, kind, identity
