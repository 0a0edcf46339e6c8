-- Pairs of sessions that wait, or may come to wait, for each other: those in a cycle, or in one that the server does not
-- look for because a wait for a safe snapshot is in it (unending_cycle), those that hold what somebody waits
-- for while they wait themselves, and those that take the same two locks in different orders. From the lock tables alone;
-- the same answer as the ops crate's Monitor::deadlock_risks gives.
CREATE OR REPLACE FUNCTION concurrency.detect_deadlock_risk()
RETURNS TABLE (
    session1_pid integer,
    session1_locks text,
    session2_pid integer,
    session2_locks text,
    risk_level text,
    risk text
)
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
WITH RECURSIVE edge AS MATERIALIZED (
    SELECT analysis.blocked_pid, analysis.blocked_mode, analysis.blocking_pid, analysis.blocking_mode, analysis.edge,
        analysis.cycle_pids, analysis.blocking_prepared
    FROM concurrency.v_lock_analysis AS analysis
), ahead (start, node) AS (
    -- A cycle of holders alone cannot be undone by another order of a queue.
    SELECT edge.blocked_pid, edge.blocking_pid FROM edge WHERE edge.edge <> 'queues' AND edge.blocking_pid = ANY (edge.cycle_pids)
    UNION
    SELECT ahead.start, edge.blocking_pid
    FROM ahead
    JOIN edge ON edge.blocked_pid = ahead.node AND edge.edge <> 'queues' AND edge.blocking_pid = ANY (edge.cycle_pids)
), orders AS MATERIALIZED (
    WITH held AS MATERIALIZED (
        SELECT lock.pid, lock.locktype, lock.relation, lock.classid, lock.objid, lock.objsubid, lock.mode, lock.granted
        FROM pg_catalog.pg_locks AS lock
        WHERE lock.pid IN (SELECT waiting.pid FROM pg_catalog.pg_locks AS waiting WHERE NOT waiting.granted)
            AND lock.locktype IN ('relation', 'tuple', 'transactionid', 'advisory')
            AND (lock.locktype = 'transactionid'
                OR lock.database = (SELECT own.oid FROM pg_catalog.pg_database AS own WHERE own.datname = pg_catalog.current_database()))
    ), thing AS MATERIALIZED (
        SELECT held.pid, held.locktype, held.mode, held.granted,
            CASE WHEN held.locktype = 'advisory'
                THEN pg_catalog.format('advisory %s %s %s', held.classid, held.objid, held.objsubid)
                ELSE pg_catalog.format('%I.%I', namespace.nspname, class.relname)
            END AS name
        FROM held
        LEFT JOIN pg_catalog.pg_class AS class ON class.oid = held.relation AND class.relkind IN ('r', 'p')
        LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE held.locktype = 'advisory' OR class.oid IS NOT NULL
    ), wanted AS MATERIALIZED (
        SELECT thing.pid, thing.name FROM thing WHERE NOT thing.granted
        UNION
        -- Who waits for a row waits for its writer's transaction, and holds the row's own lock meanwhile.
        SELECT thing.pid, thing.name
        FROM thing
        JOIN held AS waiting ON waiting.pid = thing.pid AND NOT waiting.granted AND waiting.locktype = 'transactionid'
        WHERE thing.granted AND thing.locktype = 'tuple'
    )
    SELECT DISTINCT wanted.pid AS process_id, thing.name AS held, wanted.name AS wanted
    FROM wanted
    JOIN thing ON thing.pid = wanted.pid AND thing.granted AND thing.mode <> 'AccessShareLock'
        AND thing.locktype IN ('relation', 'advisory')
    WHERE thing.name <> wanted.name
)
SELECT
    edge.blocked_pid,
    pg_catalog.format('wants %s', coalesce(edge.blocked_mode, 'a safe snapshot')),
    edge.blocking_pid,
    CASE WHEN edge.edge = 'queues' THEN pg_catalog.format('wants %s', edge.blocking_mode)
        ELSE pg_catalog.format('has %s', coalesce(edge.blocking_mode, 'a snapshot')) END,
    CASE WHEN NOT own.is_in_cycle THEN 'MEDIUM'
        WHEN own.is_unending THEN 'CERTAIN'
        WHEN EXISTS (SELECT FROM ahead WHERE ahead.start = ahead.node AND ahead.start = ANY (edge.cycle_pids)) THEN 'CERTAIN'
        ELSE 'HIGH' END,
    CASE WHEN own.is_unending THEN 'unending_cycle' WHEN own.is_in_cycle THEN 'cycle' ELSE 'hold_and_wait' END
FROM edge
-- The server looks for cycles among locks alone: it neither ends a cycle through a safe snapshot nor changes a queue for it.
CROSS JOIN LATERAL (
    SELECT edge.blocking_pid = ANY (edge.cycle_pids),
        edge.blocking_pid = ANY (edge.cycle_pids) AND EXISTS (
            SELECT
            FROM edge AS snapshot
            WHERE snapshot.edge = 'safe_snapshot'
                AND snapshot.blocked_pid = ANY (edge.cycle_pids)
                AND snapshot.blocking_pid = ANY (edge.cycle_pids)
        )
) AS own (is_in_cycle, is_unending)
WHERE own.is_in_cycle
    OR EXISTS (SELECT FROM edge AS behind WHERE behind.blocking_pid = edge.blocked_pid AND behind.edge <> 'queues')
UNION ALL
SELECT one.process_id, pg_catalog.format('has %s, wants %s', one.held, one.wanted),
    other.process_id, pg_catalog.format('has %s, wants %s', other.held, other.wanted),
    'HIGH', 'lock_order_inversion'
FROM orders AS one
JOIN orders AS other ON other.held = one.wanted AND other.wanted = one.held AND one.process_id < other.process_id
ORDER BY 6, 1, 3, 2
$$;
COMMENT ON FUNCTION concurrency.detect_deadlock_risk() IS 'Pairs of sessions in a cycle of waits, that hold and wait, or that take two locks in different orders.';
REVOKE ALL ON FUNCTION concurrency.detect_deadlock_risk() FROM PUBLIC;
