-- Blocking sessions: see concurrency.analyse_locks().
CREATE OR REPLACE VIEW concurrency.v_lock_analysis AS
SELECT
    analysis.blocked_pid,
    analysis.blocked_user,
    analysis.blocked_app,
    analysis.blocked_query,
    analysis.blocked_mode,
    analysis.blocking_pid,
    analysis.blocking_user,
    analysis.blocking_app,
    analysis.blocking_query,
    analysis.blocking_mode,
    analysis.blocked_duration,
    analysis.edge,
    analysis.lock_type,
    analysis.lock_database,
    analysis.relation_schema,
    analysis.relation_name,
    analysis.page,
    analysis.tuple,
    analysis.advisory_key,
    analysis.lock_namespace,
    analysis.lock_identifier,
    analysis.blocking_prepared,
    analysis.blocking_transaction_started_at,
    analysis.blocking_state,
    analysis.blocking_class,
    analysis.remedy,
    analysis.root_pids,
    analysis.cycle_pids
FROM concurrency.analyse_locks() AS analysis;
COMMENT ON VIEW concurrency.v_lock_analysis IS 'Blocking sessions: each waiter with its holders, or with the front of its queue.';
COMMENT ON COLUMN concurrency.v_lock_analysis.blocked_duration IS 'The time since the wait began; for a safe snapshot, since the statement began.';
COMMENT ON COLUMN concurrency.v_lock_analysis.blocking_pid IS '0: the prepared transaction in blocking_prepared.';
COMMENT ON COLUMN concurrency.v_lock_analysis.edge IS 'holds: holds a conflicting lock. queues: is before the waiter in the queue. safe_snapshot: a serializable transaction that a DEFERRABLE one waits for.';
COMMENT ON COLUMN concurrency.v_lock_analysis.root_pids IS 'The sessions at the ends of all paths from the waiter, which wait for no session; empty when there are only cycles.';
COMMENT ON COLUMN concurrency.v_lock_analysis.cycle_pids IS 'The sessions of the waiter''s cycle, with the waiter; empty when it is in no cycle.';
