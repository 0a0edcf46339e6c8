//! What is known of each pool.

use neobank_db::{FromQueryResult, Statement};
use serde::Serialize;

use crate::checks::thresholds::PoolHealthThresholds;

/// What a pool's samples and its sessions say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromQueryResult)]
pub struct PoolFacts {
    /// The pool: its connections' `application_name`, or `pgbouncer:database/user` of a pool of PgBouncer.
    pub pool_name: String,
    /// Samples in the window.
    pub samples: i64,
    /// Those in which a caller waited for as long as counts.
    pub waiting_samples: i64,
    /// The longest wait for a connection.
    pub longest_wait_ms: i64,
    /// Connections in use at most.
    pub peak_active: i32,
    /// Connections open at most.
    pub peak_connections: i32,
    /// The pool's sessions now that run a statement or have a transaction open, without the one that asks.
    pub busy: i64,
    /// Those that wait for a lock.
    pub lock_waiting: i64,
    /// Those that have a transaction open and have done nothing for as long as counts.
    pub held: i64,
    /// The pool's sessions whose state the monitor's role may not see, or nobody knows, because `track_activities` is off.
    pub hidden: i64,
}

/// The text of the question.
#[must_use]
pub fn statement(thresholds: &PoolHealthThresholds) -> Statement {
    let seconds = |number: u64| u32::try_from(number).map_or(f64::MAX, f64::from);
    neobank_db::statement(
        include_str!("facts.sql"),
        [
            seconds(thresholds.window_seconds).into(),
            i64::try_from(thresholds.wait_milliseconds)
                .unwrap_or(i64::MAX)
                .into(),
            seconds(thresholds.held_seconds).into(),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_text_is_what_was_looked_at() {
        let thresholds = PoolHealthThresholds::default();
        insta::assert_snapshot!("pool_facts", readable(&statement(&thresholds)));
    }
}
