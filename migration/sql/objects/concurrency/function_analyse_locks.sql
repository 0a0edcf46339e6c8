-- What concurrency.v_lock_analysis shows: who blocks whom, by the server's own pg_blocking_pids and pg_safe_snapshot_blocking_pids, each asked once for each
-- session that waits. One row for each waiter and holder; who only queues has rows with the front of the queue instead of
-- one with everybody before it. The same answer as the ops crate's Monitor::blocking gives.
-- A function, because compiling the plan of such a statement takes seconds, and only a function can turn that off.
CREATE OR REPLACE FUNCTION concurrency.analyse_locks()
RETURNS TABLE (
    blocked_pid integer,
    blocked_user text,
    blocked_app text,
    blocked_query text,
    blocked_mode text,
    blocking_pid integer,
    blocking_user text,
    blocking_app text,
    blocking_query text,
    blocking_mode text,
    blocked_duration interval,
    edge text,
    lock_type text,
    lock_database text,
    relation_schema text,
    relation_name text,
    page integer,
    tuple smallint,
    advisory_key bigint,
    lock_namespace text,
    lock_identifier text,
    blocking_prepared text,
    blocking_transaction_started_at timestamptz,
    blocking_state text,
    blocking_class text,
    remedy text,
    root_pids integer[],
    cycle_pids integer[]
)
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
WITH RECURSIVE session AS MATERIALIZED (
    SELECT
        activity.pid, activity.leader_pid, activity.usename, activity.application_name, activity.backend_type, activity.state,
        activity.xact_start, activity.query_start, activity.wait_event, activity.query
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
        pg_catalog.concat_ws(
            ':', held.locktype, held.database, held.relation, held.page, held.tuple, held.virtualxid, held.transactionid,
            held.classid, held.objid, held.objsubid
        ) AS object,
        held.locktype, held.database, held.relation, held.page, held.tuple, held.classid, held.objid, held.objsubid,
        held.mode, held.granted, held.waitstart
    FROM all_locks AS held
    LEFT JOIN session ON session.pid = held.pid
    LEFT JOIN prepared_transaction ON held.pid IS NULL
        AND prepared_transaction.virtualtransaction = held.virtualtransaction
), lock_waiter AS MATERIALIZED (
    SELECT
        oldest.*,
        pg_catalog.pg_blocking_pids(oldest.pid) AS blockers,
        -- Table 13.2 of PostgreSQL's manual.
        CASE oldest.mode
            WHEN 'AccessShareLock' THEN ARRAY['AccessExclusiveLock']
            WHEN 'RowShareLock' THEN ARRAY['ExclusiveLock', 'AccessExclusiveLock']
            WHEN 'RowExclusiveLock' THEN ARRAY['ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']
            WHEN 'ShareUpdateExclusiveLock' THEN ARRAY['ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                'ExclusiveLock', 'AccessExclusiveLock']
            WHEN 'ShareLock' THEN ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareRowExclusiveLock',
                'ExclusiveLock', 'AccessExclusiveLock']
            WHEN 'ShareRowExclusiveLock' THEN ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
                'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']
            WHEN 'ExclusiveLock' THEN ARRAY['RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
                'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']
            ELSE ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
                'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']
        END AS excluded_by
    FROM (
        SELECT DISTINCT ON (lock.pid) lock.*
        FROM lock
        WHERE NOT lock.granted
        ORDER BY lock.pid, lock.waitstart
    ) AS oldest
    ORDER BY oldest.waitstart, oldest.pid
    LIMIT 1000
), snapshot_waiter AS MATERIALIZED (
    SELECT asked.pid, asked.query_start, asked.blockers
    FROM (
        -- The wait is hidden from a role that may not see it; the function answers all the same.
        SELECT session.pid, session.query_start, pg_catalog.pg_safe_snapshot_blocking_pids(session.pid) AS blockers
        FROM session
        WHERE session.wait_event = 'SafeSnapshot' OR (session.wait_event IS NULL AND session.state IS NULL)
        LIMIT 1000
    ) AS asked
    WHERE pg_catalog.cardinality(asked.blockers) > 0
), holder AS MATERIALIZED (
    SELECT lock_waiter.pid AS waiter, lock.pid AS blocker, lock.prepared,
        pg_catalog.string_agg(DISTINCT lock.mode, ', ') AS mode
    FROM lock_waiter
    JOIN lock ON lock.object = lock_waiter.object
        AND lock.granted
        AND lock.mode = ANY (lock_waiter.excluded_by)
        AND lock.pid = ANY (lock_waiter.blockers)
    GROUP BY lock_waiter.pid, lock.pid, lock.prepared
), everyone AS MATERIALIZED (
    -- A node is a process, or a prepared transaction's identifier with a minus before it.
    SELECT holder.waiter::bigint AS waiter,
        CASE WHEN holder.prepared IS NULL THEN holder.blocker::bigint ELSE - holder.prepared::bigint END AS blocker,
        'holds' AS edge, holder.mode
    FROM holder
    UNION ALL
    SELECT before.waiter, before.blocker, CASE WHEN other.object = before.object THEN 'queues' ELSE 'holds' END, other.mode
    FROM (
        SELECT DISTINCT lock_waiter.pid::bigint AS waiter, blocker.pid::bigint AS blocker, lock_waiter.object
        FROM lock_waiter
        CROSS JOIN LATERAL pg_catalog.unnest(lock_waiter.blockers) AS blocker (pid)
        WHERE blocker.pid <> 0
    ) AS before
    LEFT JOIN lock_waiter AS other ON other.pid = before.blocker
    WHERE NOT EXISTS (
        SELECT FROM holder WHERE holder.waiter = before.waiter AND holder.blocker = before.blocker
    )
    UNION ALL
    SELECT DISTINCT snapshot_waiter.pid::bigint, blocker.pid::bigint, 'safe_snapshot', NULL
    FROM snapshot_waiter
    CROSS JOIN LATERAL pg_catalog.unnest(snapshot_waiter.blockers) AS blocker (pid)
), among_waiters AS MATERIALIZED (
    SELECT everyone.waiter, everyone.blocker, everyone.edge
    FROM everyone
    WHERE everyone.blocker IN (SELECT own.waiter FROM everyone AS own)
), behind_root (root, node) AS (
    -- From the roots to the waiters: each edge is walked once for each root.
    SELECT everyone.blocker, everyone.waiter
    FROM everyone
    WHERE everyone.blocker NOT IN (SELECT own.waiter FROM everyone AS own)
    UNION
    SELECT behind_root.root, everyone.waiter
    FROM behind_root
    JOIN everyone ON everyone.blocker = behind_root.node
), ahead (start, node) AS (
    -- A cycle has a member that waits and holds what another one waits for; what each of those waits for in the end.
    SELECT among_waiters.waiter, among_waiters.blocker
    FROM among_waiters
    WHERE among_waiters.waiter IN (SELECT held.blocker FROM among_waiters AS held WHERE held.edge <> 'queues')
    UNION
    SELECT ahead.start, among_waiters.blocker
    FROM ahead
    JOIN among_waiters ON among_waiters.waiter = ahead.node
), back (start, node) AS (
    SELECT ahead.start, among_waiters.waiter
    FROM ahead
    JOIN among_waiters ON among_waiters.blocker = ahead.start
    WHERE ahead.start = ahead.node
    UNION
    SELECT back.start, among_waiters.waiter
    FROM back
    JOIN among_waiters ON among_waiters.blocker = back.node
), cycle_member AS MATERIALIZED (
    SELECT DISTINCT member.node, cycle.pids
    FROM ahead AS member
    JOIN back ON back.start = member.start AND back.node = member.node
    CROSS JOIN LATERAL (
        SELECT pg_catalog.array_agg(other.node::integer ORDER BY other.node)
        FROM ahead AS other
        JOIN back AS other_back ON other_back.start = other.start AND other_back.node = other.node
        WHERE other.start = member.start
    ) AS cycle (pids)
), root AS MATERIALIZED (
    SELECT behind_root.node, pg_catalog.array_agg(greatest(behind_root.root, 0)::integer ORDER BY behind_root.root DESC) AS pids
    FROM behind_root
    GROUP BY behind_root.node
), row_lock AS MATERIALIZED (
    -- Who waits for a row waits for its writer's transaction, and holds the row's own lock meanwhile.
    SELECT DISTINCT ON (lock.pid) lock.pid, lock.database, lock.relation, lock.page, lock.tuple
    FROM lock
    WHERE lock.granted AND lock.locktype = 'tuple'
        AND lock.pid IN (SELECT lock_waiter.pid FROM lock_waiter WHERE lock_waiter.locktype = 'transactionid')
    ORDER BY lock.pid, lock.relation, lock.page, lock.tuple
), shown AS (
    SELECT everyone.*
    FROM everyone
    WHERE everyone.edge <> 'queues'
    UNION ALL
    SELECT everyone.*
    FROM everyone
    WHERE everyone.edge = 'queues'
        AND everyone.waiter NOT IN (SELECT held.waiter FROM everyone AS held WHERE held.edge <> 'queues')
        AND NOT EXISTS (
            SELECT
            FROM everyone AS before
            JOIN everyone AS same ON same.blocker = before.blocker
            WHERE before.waiter = everyone.blocker AND before.edge = 'queues' AND same.waiter = everyone.waiter
        )
)
SELECT
    shown.waiter::integer AS blocked_pid,
    blocked.usename::text AS blocked_user,
    blocked.application_name AS blocked_app,
    blocked.query AS blocked_query,
    lock_waiter.mode AS blocked_mode,
    greatest(shown.blocker, 0)::integer AS blocking_pid,
    coalesce(blocking.usename, prepared.owner)::text AS blocking_user,
    blocking.application_name AS blocking_app,
    blocking.query AS blocking_query,
    shown.mode AS blocking_mode,
    pg_catalog.clock_timestamp() - coalesce(lock_waiter.waitstart, snapshot_waiter.query_start) AS blocked_duration,
    shown.edge,
    lock_waiter.locktype AS lock_type,
    lock_database.datname::text AS lock_database,
    namespace.nspname::text AS relation_schema,
    class.relname::text AS relation_name,
    coalesce(lock_waiter.page, row_lock.page) AS page,
    coalesce(lock_waiter.tuple, row_lock.tuple) AS tuple,
    advisory.lock_key AS advisory_key,
    known.namespace AS lock_namespace,
    known.identifier AS lock_identifier,
    CASE WHEN shown.blocker < 0 THEN coalesce(prepared.gid, (- shown.blocker)::text) END AS blocking_prepared,
    coalesce(blocking.xact_start, prepared.prepared) AS blocking_transaction_started_at,
    blocking.state AS blocking_state,
    kind.class AS blocking_class,
    CASE kind.class
        WHEN 'waiting' THEN 'It waits itself: look at its root, or at its cycle.'
        WHEN 'active' THEN pg_catalog.format(
            'Let it finish, or end its statement: SELECT pg_catalog.pg_cancel_backend(%s);', shown.blocker)
        WHEN 'idle_in_transaction' THEN pg_catalog.format(
            'End the transaction where it was left open, or the session: SELECT pg_catalog.pg_terminate_backend(%s);', shown.blocker)
        WHEN 'idle_with_session_lock' THEN pg_catalog.format(
            'Free the session''s lock where it was taken, or end the session: SELECT pg_catalog.pg_terminate_backend(%s);', shown.blocker)
        WHEN 'prepared_transaction' THEN pg_catalog.format(
            'Decide it in its database: COMMIT PREPARED ''%1$s''; or ROLLBACK PREPARED ''%1$s'';',
            pg_catalog.replace(coalesce(prepared.gid, (- shown.blocker)::text), '''', ''''''))
        WHEN 'autovacuum' THEN 'It gives way by itself, unless it prevents a wraparound: then let it finish.'
        WHEN 'background' THEN 'It is the server''s own: let it finish.'
        WHEN 'untracked' THEN pg_catalog.format(
            'What it does is not tracked: switch track_activities on for it, or end the session: SELECT pg_catalog.pg_terminate_backend(%s);',
            shown.blocker)
        ELSE 'What it does is hidden from this role: ask with the privileges of pg_monitor.'
    END AS remedy,
    coalesce(root.pids, '{}') AS root_pids,
    coalesce(cycle_member.pids, '{}') AS cycle_pids
FROM shown
LEFT JOIN lock_waiter ON lock_waiter.pid = shown.waiter
LEFT JOIN snapshot_waiter ON snapshot_waiter.pid = shown.waiter
LEFT JOIN session AS blocked ON blocked.pid = shown.waiter
LEFT JOIN session AS blocking ON blocking.pid = shown.blocker
LEFT JOIN prepared_transaction AS prepared ON prepared.transaction_id = (- shown.blocker)::text
LEFT JOIN root ON root.node = shown.waiter
LEFT JOIN cycle_member ON cycle_member.node = shown.waiter
LEFT JOIN row_lock ON row_lock.pid = shown.waiter
LEFT JOIN pg_catalog.pg_database AS lock_database ON lock_database.oid = coalesce(lock_waiter.database, row_lock.database)
LEFT JOIN pg_catalog.pg_class AS class ON class.oid = coalesce(lock_waiter.relation, row_lock.relation)
    AND (coalesce(lock_waiter.database, row_lock.database) = 0 OR lock_database.datname = pg_catalog.current_database())
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
CROSS JOIN LATERAL (
    SELECT CASE WHEN lock_waiter.locktype = 'advisory' AND lock_waiter.objsubid = 1
        THEN (lock_waiter.classid::bigint << 32) | lock_waiter.objid::bigint END
) AS advisory (lock_key)
LEFT JOIN concurrency.lock_names AS known ON known.lock_key = advisory.lock_key
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN shown.blocker IN (SELECT own.waiter FROM everyone AS own) THEN 'waiting'
        WHEN shown.blocker < 0 THEN 'prepared_transaction'
        WHEN blocking.backend_type = 'autovacuum worker' THEN 'autovacuum'
        WHEN blocking.state IN ('active', 'fastpath function call') THEN 'active'
        WHEN blocking.state IN ('idle in transaction', 'idle in transaction (aborted)') THEN 'idle_in_transaction'
        WHEN blocking.state = 'idle' THEN 'idle_with_session_lock'
        WHEN blocking.backend_type = 'client backend' AND blocking.state = 'disabled' THEN 'untracked'
        WHEN coalesce(blocking.backend_type, 'client backend') = 'client backend' THEN 'unknown'
        ELSE 'background'
    END
) AS kind (class)
ORDER BY blocked_duration DESC NULLS LAST, blocked_pid, blocking_pid, blocking_prepared
$$;
REVOKE ALL ON FUNCTION concurrency.analyse_locks() FROM PUBLIC;
