-- Sessions that hold a named lock, or wait for one. An advisory lock whose key is not registered
-- has no name here.
CREATE OR REPLACE VIEW concurrency.v_held_locks AS
SELECT
    lock.lock_key,
    known.namespace,
    known.identifier,
    lock.process_id,
    lock.mode,
    lock.granted,
    lock.waiting_since
FROM (
    SELECT
        (held.classid::bigint << 32) | held.objid::bigint AS lock_key,
        held.pid AS process_id,
        held.mode,
        held.granted,
        held.waitstart AS waiting_since
    FROM pg_catalog.pg_locks AS held
    -- 1: the key is one number of 64 bits, and not two of 32.
    WHERE held.locktype = 'advisory' AND held.objsubid = 1
      AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
) AS lock
LEFT JOIN concurrency.lock_names AS known USING (lock_key);
COMMENT ON VIEW concurrency.v_held_locks IS 'Sessions that hold a named lock, or wait for one.';
COMMENT ON COLUMN concurrency.v_held_locks.namespace IS 'Null when the key was never registered, or is registered by a transaction that has not committed.';
COMMENT ON COLUMN concurrency.v_held_locks.waiting_since IS 'The start of the wait; null when the session holds the lock, and for a moment after the wait began.';
