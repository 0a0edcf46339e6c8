CREATE TABLE concurrency.mvcc_demo (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    value text NOT NULL CONSTRAINT mvcc_demo_value_length CHECK (length(value) <= 1000),
    version integer NOT NULL DEFAULT 1
);
COMMENT ON TABLE concurrency.mvcc_demo IS 'A table for demonstrations of row versions.';

CREATE TABLE concurrency.deadlock_log (
    log_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    deadlock_time timestamptz NOT NULL DEFAULT clock_timestamp()
        CONSTRAINT deadlock_log_deadlock_time_range
        CHECK (deadlock_time >= '1970-01-01 00:00:00+00' AND deadlock_time < '2200-01-01 00:00:00+00'),
    process_id integer,
    transaction_id bigint,
    query_text text CONSTRAINT deadlock_log_query_text_length CHECK (octet_length(query_text) <= 1000000),
    lock_info jsonb CONSTRAINT deadlock_log_lock_info_length CHECK (octet_length(lock_info::text) <= 1000000),
    resolution text CONSTRAINT deadlock_log_resolution_length CHECK (octet_length(resolution) <= 10000)
);
COMMENT ON TABLE concurrency.deadlock_log IS 'Deadlocks whose victim was a transaction of the library, with both sides where known.';
COMMENT ON COLUMN concurrency.deadlock_log.process_id IS 'The process identifier of the victim''s session.';
COMMENT ON COLUMN concurrency.deadlock_log.transaction_id IS 'The victim''s transaction, with the epoch (xid8 as a number).';
COMMENT ON COLUMN concurrency.deadlock_log.lock_info IS 'The waits of each side, as the server reported them.';

CREATE INDEX deadlock_log_deadlock_time_index ON concurrency.deadlock_log (deadlock_time DESC);
