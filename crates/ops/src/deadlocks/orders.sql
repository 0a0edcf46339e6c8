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
ORDER BY process_id, held, wanted
