//! The groups of thresholds, in alphabetical order.

use super::group::thresholds;

/// A month, in seconds: no duration that is judged here lasts longer.
const SECONDS_MAX: u64 = 31 * 24 * 3600;
const MILLISECONDS_MAX: u64 = SECONDS_MAX * 1000;

thresholds! {
    /// Bloat of tables and indexes.
    BloatThresholds, "bloat" {
        share_warning_percent: 60, in 1..=100, "A warning from this share of a table or an index that a rewrite would give back on, in percent.";
        share_critical_percent: 90, in 1..=100, "Critical from this share of a table or an index that a rewrite would give back on, in percent.";
        size_min_mebibytes: 100, in 1..=1_000_000_000, "Tables and indexes that are smaller are not judged, in mebibytes; nor those whose estimate is in doubt.";
    }
}

thresholds! {
    /// Hits in the server's buffers.
    CacheThresholds, "cache" {
        hit_warning_percent: 98, in 0..=100, "A warning below this share of blocks that were found in the buffers, in percent.";
        hit_critical_percent: 90, in 0..=100, "Critical below this share of blocks that were found in the buffers, in percent.";
        blocks_min: 100_000, in 1..=1_000_000_000_000, "Blocks that must have been requested before the share is judged.";
    }
}

thresholds! {
    /// The server's connections.
    ConnectionThresholds, "connections" {
        usage_warning_percent: 70, in 1..=100, "A warning from this share of the usable connections on, in percent.";
        usage_critical_percent: 90, in 1..=100, "Critical from this share of the usable connections on, in percent.";
        idle_seconds: 300, in 0..=SECONDS_MAX, "A connection that was idle for this long is listed, in seconds.";
    }
}

thresholds! {
    /// Waits for locks, and deadlocks.
    LockThresholds, "locks" {
        wait_warning_milliseconds: 1_000, in 0..=MILLISECONDS_MAX, "A warning from this wait for a lock on, in milliseconds.";
        wait_critical_milliseconds: 30_000, in 0..=MILLISECONDS_MAX, "Critical from this wait for a lock on, in milliseconds.";
        deadlock_window_hours: 24, in 1..=744, "Deadlocks are counted over this time, in hours.";
        deadlocks_warning_count: 1, in 1..=1_000_000, "A warning from this number of deadlocks in that time on.";
        deadlocks_critical_count: 20, in 1..=1_000_000, "Critical from this number of deadlocks in that time on.";
    }
}

thresholds! {
    /// The verdicts on a pool.
    PoolHealthThresholds, "pool_health" {
        window_seconds: 300, in 1..=SECONDS_MAX, "Samples of this age or younger are judged, in seconds.";
        samples_min: 3, in 1..=10_000, "Samples that there must be before a verdict.";
        wait_milliseconds: 100, in 1..=MILLISECONDS_MAX, "Callers count as waiting when one of them waited for this long, in milliseconds.";
        waiting_samples_percent: 50, in 1..=100, "The share of samples with waiting callers from which on the pool is not healthy, in percent.";
        lock_waiting_percent: 25, in 1..=100, "The share of the pool's busy sessions that wait for locks from which on it is contention, in percent.";
        held_seconds: 5, in 1..=SECONDS_MAX, "A transaction that was idle for this long counts as held, or leaked, in seconds.";
        held_percent: 50, in 1..=100, "The share of the pool's connections, or of its busy sessions while callers wait, that are held from which on it is a leak, in percent.";
        use_low_percent: 25, in 1..=100, "A pool that never used more than this share of its connections is too large, in percent.";
        spare_connections: 2, in 0..=10_000, "Connections that may be open without use before a pool is called too large.";
    }
}

thresholds! {
    /// Slow statements.
    StatementThresholds, "statements" {
        mean_warning_milliseconds: 100, in 0..=MILLISECONDS_MAX, "A warning from this mean time of a statement on, in milliseconds.";
        mean_critical_milliseconds: 1_000, in 0..=MILLISECONDS_MAX, "Critical from this mean time of a statement on, in milliseconds.";
        calls_min: 10, in 1..=1_000_000_000, "Calls that a statement must have had before its mean is judged.";
    }
}

thresholds! {
    /// Open transactions.
    TransactionThresholds, "transactions" {
        long_warning_seconds: 60, in 0..=SECONDS_MAX, "A warning from this age of a transaction on, in seconds.";
        long_critical_seconds: 600, in 0..=SECONDS_MAX, "Critical from this age of a transaction on, in seconds.";
        idle_warning_seconds: 30, in 0..=SECONDS_MAX, "A warning when a transaction was idle for this long, in seconds.";
        idle_critical_seconds: 300, in 0..=SECONDS_MAX, "Critical when a transaction was idle for this long, in seconds.";
    }
}

thresholds! {
    /// The age of the xmin horizon, which holds vacuum back.
    VacuumThresholds, "vacuum" {
        held_warning_transactions: 1_000_000, in 1..=2_000_000_000, "A warning from this age of the xmin horizon on, in transactions.";
        held_critical_transactions: 20_000_000, in 1..=2_000_000_000, "Critical from this age of the xmin horizon on, in transactions.";
    }
}
