//! The groups of thresholds, in alphabetical order.

use super::group::thresholds;

/// A month, in seconds: no duration that is judged here lasts longer.
const SECONDS_MAX: u64 = 31 * 24 * 3600;
const MILLISECONDS_MAX: u64 = SECONDS_MAX * 1000;

thresholds! {
    /// Bloat of tables and indexes.
    BloatThresholds, "bloat" {
        share_warning_percent: 60, in 1..=100, "Warning if a rewrite would free at least this share of a table or an index, in percent.";
        share_critical_percent: 90, in 1..=100, "Critical if a rewrite would free at least this share of a table or an index, in percent.";
        size_min_mebibytes: 100, in 1..=1_000_000_000, "The least size of a judged table or index, in mebibytes. An estimate in doubt is never judged.";
    }
}

thresholds! {
    /// Hits in the server's buffers.
    CacheThresholds, "cache" {
        hit_warning_percent: 98, in 0..=100, "Warning if less than this share of the blocks was found in the buffers, in percent.";
        hit_critical_percent: 90, in 0..=100, "Critical if less than this share of the blocks was found in the buffers, in percent.";
        blocks_min: 100_000, in 1..=1_000_000_000_000, "The least number of requested blocks for which the share is judged.";
    }
}

thresholds! {
    /// The server's connections.
    ConnectionThresholds, "connections" {
        usage_warning_percent: 70, in 1..=100, "Warning if at least this share of the usable connections is in use, in percent.";
        usage_critical_percent: 90, in 1..=100, "Critical if at least this share of the usable connections is in use, in percent.";
        idle_seconds: 300, in 0..=SECONDS_MAX, "The least idle time of a listed connection, in seconds.";
    }
}

thresholds! {
    /// Waits for locks, and deadlocks.
    LockThresholds, "locks" {
        wait_warning_milliseconds: 1_000, in 0..=MILLISECONDS_MAX, "Warning if a session waits for a lock for at least this long, in milliseconds.";
        wait_critical_milliseconds: 30_000, in 0..=MILLISECONDS_MAX, "Critical if a session waits for a lock for at least this long, in milliseconds.";
        deadlock_window_hours: 24, in 1..=744, "The time over which deadlocks are counted, in hours.";
        deadlocks_warning_count: 1, in 1..=1_000_000, "Warning if there were at least this many deadlocks in that time.";
        deadlocks_critical_count: 20, in 1..=1_000_000, "Critical if there were at least this many deadlocks in that time.";
    }
}

thresholds! {
    /// The verdicts on a pool.
    PoolHealthThresholds, "pool_health" {
        window_seconds: 300, in 1..=SECONDS_MAX, "The greatest age of a judged sample, in seconds.";
        samples_min: 3, in 1..=10_000, "The least number of samples for a verdict.";
        wait_milliseconds: 100, in 1..=MILLISECONDS_MAX, "A sample has waiting callers if one of them waited for at least this long, in milliseconds.";
        waiting_samples_percent: 50, in 1..=100, "The pool is not healthy if at least this share of its samples has waiting callers, in percent.";
        lock_waiting_percent: 25, in 1..=100, "The verdict is contention if at least this share of the pool's busy sessions waits for locks, in percent.";
        held_seconds: 5, in 1..=SECONDS_MAX, "A transaction is held, or leaked, after this idle time, in seconds.";
        held_percent: 50, in 1..=100, "The verdict is a leak if at least this share of the pool's connections is held, or of its busy sessions while callers wait, in percent.";
        use_low_percent: 25, in 1..=100, "The pool is too large if it never used more than this share of its connections, in percent.";
        spare_connections: 2, in 0..=10_000, "The number of unused open connections that a pool may have before it is too large.";
    }
}

thresholds! {
    /// The lags of the sealer and of the consumers of events.
    SealingThresholds, "sealing" {
        record_warning_seconds: 60, in 0..=SECONDS_MAX, "Warning if a record has waited to be sealed for at least this long, in seconds.";
        record_critical_seconds: 600, in 0..=SECONDS_MAX, "Critical if a record has waited to be sealed for at least this long, in seconds.";
        event_warning_seconds: 300, in 0..=SECONDS_MAX, "Warning if a consumer has not processed an event for at least this long, in seconds.";
        event_critical_seconds: 3_600, in 0..=SECONDS_MAX, "Critical if a consumer has not processed an event for at least this long, in seconds.";
    }
}

thresholds! {
    /// Slow statements.
    StatementThresholds, "statements" {
        mean_warning_milliseconds: 100, in 0..=MILLISECONDS_MAX, "Warning if the mean time of a statement is at least this long, in milliseconds.";
        mean_critical_milliseconds: 1_000, in 0..=MILLISECONDS_MAX, "Critical if the mean time of a statement is at least this long, in milliseconds.";
        calls_min: 10, in 1..=1_000_000_000, "The least number of calls of a statement whose mean is judged.";
    }
}

thresholds! {
    /// Open transactions.
    TransactionThresholds, "transactions" {
        long_warning_seconds: 60, in 0..=SECONDS_MAX, "Warning if a transaction is open for at least this long, in seconds.";
        long_critical_seconds: 600, in 0..=SECONDS_MAX, "Critical if a transaction is open for at least this long, in seconds.";
        idle_warning_seconds: 30, in 0..=SECONDS_MAX, "Warning if a transaction was idle for at least this long, in seconds.";
        idle_critical_seconds: 300, in 0..=SECONDS_MAX, "Critical if a transaction was idle for at least this long, in seconds.";
    }
}

thresholds! {
    /// The age of the xmin horizon, which holds vacuum back.
    VacuumThresholds, "vacuum" {
        held_warning_transactions: 1_000_000, in 1..=2_000_000_000, "Warning if the xmin horizon is at least this old, in transactions.";
        held_critical_transactions: 20_000_000, in 1..=2_000_000_000, "Critical if the xmin horizon is at least this old, in transactions.";
    }
}
