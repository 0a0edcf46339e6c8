CREATE TABLE concurrency.mvcc_demo (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    value text NOT NULL,
    version integer NOT NULL DEFAULT 1
);
COMMENT ON TABLE concurrency.mvcc_demo IS 'A table to watch row versions in.';

CREATE TABLE concurrency.deadlock_log (
    log_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    deadlock_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    process_id integer,
    transaction_id bigint,
    query_text text,
    lock_info jsonb,
    resolution text
);
COMMENT ON TABLE concurrency.deadlock_log IS 'Deadlocks that our own code met, with both sides where known.';
COMMENT ON COLUMN concurrency.deadlock_log.process_id IS 'Server process of the session that was chosen as the victim.';
COMMENT ON COLUMN concurrency.deadlock_log.transaction_id IS 'Its transaction, with the epoch (xid8 as a number).';
COMMENT ON COLUMN concurrency.deadlock_log.lock_info IS 'The waits of each side, as the server reported them.';

CREATE INDEX deadlock_log_deadlock_time_index ON concurrency.deadlock_log (deadlock_time DESC);
