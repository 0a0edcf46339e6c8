WITH session AS MATERIALIZED (
    SELECT activity.pid, activity.leader_pid, activity.datname, activity.usename, activity.application_name,
        activity.client_addr, activity.backend_type, activity.state, activity.state_change, activity.xact_start,
        activity.query_start, activity.wait_event, activity.query
    FROM pg_catalog.pg_stat_activity AS activity
), all_locks AS MATERIALIZED (
    SELECT
        held.pid, held.virtualtransaction, held.locktype, held.database, held.relation, held.page, held.tuple,
        held.virtualxid, held.transactionid, held.classid, held.objid, held.objsubid, held.mode, held.granted, held.waitstart
    FROM pg_catalog.pg_locks AS held
    WHERE held.mode <> 'SIReadLock'
), prepared_transaction AS MATERIALIZED (
    -- It has no process; its locks are known by the virtual transaction that has its transaction's own lock.
    SELECT held.virtualtransaction, known.transaction::text AS transaction_id, known.gid, known.prepared, known.owner,
        known.database
    FROM pg_catalog.pg_prepared_xacts AS known
    JOIN all_locks AS held ON held.transactionid = known.transaction AND held.pid IS NULL
        AND held.locktype = 'transactionid'
), lock AS MATERIALIZED (
    -- A parallel query's worker has its leader's locks, as pg_blocking_pids sees them. Workers that apply changes in parallel
    -- have a leader too, and lock on their own.
    SELECT
        coalesce(CASE WHEN session.backend_type = 'parallel worker' THEN session.leader_pid END, held.pid, 0) AS pid,
        prepared_transaction.transaction_id AS prepared,
        pg_catalog.concat_ws(':', held.locktype, held.database, held.relation, held.page, held.tuple, held.virtualxid,
            held.transactionid, held.classid, held.objid, held.objsubid) AS object,
        held.locktype, held.database, held.relation, held.page, held.tuple, held.classid, held.objid, held.objsubid,
        held.mode, held.granted, held.waitstart
    FROM all_locks AS held
    LEFT JOIN session ON session.pid = held.pid
    LEFT JOIN prepared_transaction ON held.pid IS NULL
        AND prepared_transaction.virtualtransaction = held.virtualtransaction
), waiter AS MATERIALIZED (
    SELECT oldest.*, pg_catalog.pg_blocking_pids(oldest.pid) AS blockers
    FROM (
        SELECT DISTINCT ON (lock.pid) lock.*
        FROM lock
        WHERE NOT lock.granted
        ORDER BY lock.pid, lock.waitstart
    ) AS oldest
    ORDER BY oldest.waitstart, oldest.pid
    LIMIT $1
), snapshot_waiter AS MATERIALIZED (
    SELECT asked.pid, asked.query_start, asked.blockers
    FROM (
        -- The wait is hidden from a role that may not see it; the function answers all the same.
        SELECT session.pid, session.query_start, pg_catalog.pg_safe_snapshot_blocking_pids(session.pid) AS blockers
        FROM session
        WHERE session.wait_event = 'SafeSnapshot' OR (session.wait_event IS NULL AND session.state IS NULL)
        LIMIT $1
    ) AS asked
    WHERE pg_catalog.cardinality(asked.blockers) > 0
), hold AS MATERIALIZED (
    SELECT lock.pid, lock.prepared,
        pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('object', lock.object, 'mode', lock.mode)
            ORDER BY lock.object, lock.mode) AS held
    FROM lock
    WHERE lock.granted AND lock.object IN (SELECT waiter.object FROM waiter)
    GROUP BY lock.pid, lock.prepared
), row_lock AS MATERIALIZED (
    -- Who waits for a row waits for its writer's transaction, and holds the row's own lock meanwhile.
    SELECT DISTINCT ON (lock.pid) lock.pid, lock.database, lock.relation, lock.page, lock.tuple
    FROM lock
    WHERE lock.granted AND lock.locktype = 'tuple' AND lock.pid IN (
        SELECT waiter.pid FROM waiter WHERE waiter.locktype = 'transactionid')
    ORDER BY lock.pid, lock.relation, lock.page, lock.tuple
), involved AS (
    SELECT waiter.pid, NULL AS prepared FROM waiter
    UNION
    SELECT snapshot_waiter.pid, NULL FROM snapshot_waiter
    UNION
    SELECT blocker.pid, NULL
    FROM (
        SELECT pg_catalog.unnest(waiter.blockers) FROM waiter
        UNION ALL
        SELECT pg_catalog.unnest(snapshot_waiter.blockers) FROM snapshot_waiter
    ) AS blocker (pid)
    WHERE blocker.pid <> 0
    UNION
    SELECT 0, hold.prepared FROM hold WHERE hold.prepared IS NOT NULL
)
SELECT
    involved.pid,
    involved.prepared AS prepared_transaction_id,
    prepared.gid::text AS prepared_name,
    coalesce(session.datname, prepared.database)::text AS database,
    coalesce(session.usename, prepared.owner)::text AS username,
    session.application_name,
    pg_catalog.host(session.client_addr) AS client_address,
    session.backend_type,
    session.state,
    session.query,
    coalesce(session.xact_start, prepared.prepared) AS transaction_started_at,
    CASE WHEN waiter.pid IS NOT NULL THEN 'lock' WHEN snapshot_waiter.pid IS NOT NULL THEN 'safe_snapshot' END AS wait,
    coalesce(waiter.waitstart, snapshot_waiter.query_start) AS waiting_since,
    pg_catalog.date_part('epoch',
        pg_catalog.clock_timestamp() - coalesce(waiter.waitstart, snapshot_waiter.query_start)) AS waiting_seconds,
    waiter.object AS lock_object,
    waiter.locktype AS lock_type,
    waiter.mode AS lock_mode,
    CASE WHEN coalesce(waiter.database, row_lock.database) <> 0 THEN lock_database.datname::text END AS lock_database,
    namespace.nspname::text AS relation_schema,
    class.relname::text AS relation_name,
    coalesce(waiter.relation, row_lock.relation)::pg_catalog.int8 AS relation_id,
    coalesce(waiter.page, row_lock.page) AS page,
    coalesce(waiter.tuple, row_lock.tuple) AS tuple,
    CASE WHEN waiter.locktype = 'advisory' AND waiter.objsubid = 1
        THEN (waiter.classid::pg_catalog.int8 << 32) | waiter.objid::pg_catalog.int8 END AS advisory_key,
    CASE WHEN waiter.locktype = 'advisory' AND waiter.objsubid = 2
        THEN pg_catalog.format('(%s, %s)', waiter.classid::pg_catalog.int8::bit(32)::pg_catalog.int4,
            waiter.objid::pg_catalog.int8::bit(32)::pg_catalog.int4) END AS advisory_pair,
    coalesce(waiter.blockers, snapshot_waiter.blockers, '{}') AS blockers,
    coalesce(hold.held, '[]') AS held,
    (SELECT pg_catalog.count(DISTINCT lock.pid) FROM lock WHERE NOT lock.granted) AS lock_waiters_total
FROM involved
LEFT JOIN session ON session.pid = involved.pid
LEFT JOIN prepared_transaction AS prepared ON prepared.transaction_id = involved.prepared
LEFT JOIN waiter ON waiter.pid = involved.pid AND involved.prepared IS NULL
LEFT JOIN snapshot_waiter ON snapshot_waiter.pid = involved.pid AND involved.prepared IS NULL
LEFT JOIN hold ON hold.pid = involved.pid AND hold.prepared IS NOT DISTINCT FROM involved.prepared
LEFT JOIN row_lock ON row_lock.pid = involved.pid
LEFT JOIN pg_catalog.pg_database AS lock_database ON lock_database.oid = coalesce(waiter.database, row_lock.database)
-- Names are known in the monitor's own database alone, and of relations that all databases share.
LEFT JOIN pg_catalog.pg_class AS class ON class.oid = coalesce(waiter.relation, row_lock.relation)
    AND (coalesce(waiter.database, row_lock.database) = 0 OR lock_database.datname = pg_catalog.current_database())
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
ORDER BY involved.pid, involved.prepared
