use std::time::Duration;

use crate::schema::Schema;

/// How patient a roll-out is, and what it rolls out.
#[derive(Clone, Debug)]
pub struct RolloutOptions {
    /// What to roll out; the bank's own schema by default.
    pub schema: Schema,
    /// How long a statement waits for a lock. While it waits, every query behind it waits too, so this is how long the
    /// bank may stand still. At least a millisecond; two seconds by default.
    pub lock_timeout: Duration,
    /// How often a step that met a locked table is tried; 6 by default, at least once.
    pub lock_attempts: u32,
    /// The pause after the first attempt, half a second by default; it doubles after each.
    pub lock_pause: Duration,
    /// How long a statement may run; without, as the server's settings say.
    pub statement_timeout: Option<Duration>,
    /// How long another roll-out is waited for; five minutes by default.
    pub patience: Duration,
}

impl Default for RolloutOptions {
    fn default() -> Self {
        Self {
            schema: crate::schema(),
            lock_timeout: Duration::from_secs(2),
            lock_attempts: 6,
            lock_pause: Duration::from_millis(500),
            statement_timeout: None,
            patience: Duration::from_secs(300),
        }
    }
}

impl RolloutOptions {
    /// What a transaction begins with. The fixed search path lets nothing be made in or found in a schema by chance.
    pub(crate) fn limits(&self) -> String {
        let mut sql = format!(
            "SET LOCAL search_path = pg_catalog, pg_temp;\nSET LOCAL standard_conforming_strings = on;\n\
             SET LOCAL lock_timeout = {};",
            milliseconds(self.lock_timeout)
        );
        if let Some(limit) = self.statement_timeout {
            sql.push_str(&format!(
                "\nSET LOCAL statement_timeout = {};",
                milliseconds(limit)
            ));
        }
        sql
    }

    /// What comes before a migration that is not a transaction. Without a limit for locks: such statements take none
    /// that production would have to wait behind, and one that gives up leaves an invalid index.
    pub(crate) fn session_limits(&self) -> String {
        let mut sql =
            "SET search_path = pg_catalog, pg_temp; SET standard_conforming_strings = on; \
                       SET lock_timeout = 0;"
                .to_owned();
        if let Some(limit) = self.statement_timeout {
            sql.push_str(&format!(
                " SET statement_timeout = {};",
                milliseconds(limit)
            ));
        }
        sql
    }
}

/// As the server takes it: zero would mean no limit.
fn milliseconds(duration: Duration) -> u128 {
    duration.as_millis().clamp(1, 2_147_483_647)
}
