use std::time::Duration;

use crate::schema::Schema;
use crate::session::SETTINGS;

/// The schema of a rollout, and its limits.
#[derive(Clone, Debug)]
pub struct RolloutOptions {
    /// The schema to apply; the bank's own by default.
    pub schema: Schema,
    /// The limit of a statement's wait for a lock. Every query behind it waits as long, so this is
    /// how long the bank may stand still. At least a millisecond; two seconds by default.
    pub lock_timeout: Duration,
    /// The number of attempts of a step that meets a locked table; 6 by default, at least one.
    pub lock_attempts: u32,
    /// The pause after the first attempt, half a second by default; it doubles after each.
    pub lock_pause: Duration,
    /// The limit of a statement's run time; `None`, the default, is no limit, whatever the server's
    /// settings say.
    pub statement_timeout: Option<Duration>,
    /// The limit of the wait for another rollout; five minutes by default.
    pub rollout_wait: Duration,
}

impl Default for RolloutOptions {
    fn default() -> Self {
        Self {
            schema: crate::schema(),
            lock_timeout: Duration::from_secs(2),
            lock_attempts: 6,
            lock_pause: Duration::from_millis(500),
            statement_timeout: None,
            rollout_wait: Duration::from_secs(300),
        }
    }
}

impl RolloutOptions {
    /// Returns the SQL that begins each transaction: the limits, and every setting that changes the
    /// meaning of SQL.
    pub(crate) fn limits(&self) -> String {
        self.settings("SET LOCAL", &milliseconds(self.lock_timeout).to_string())
            .join("\n")
    }

    /// Returns the SQL before a migration that is not a transaction. It has no lock timeout: such
    /// statements take no lock that production would have to wait behind, and one that fails leaves
    /// an invalid index.
    pub(crate) fn session_limits(&self) -> String {
        self.settings("SET", "0").join(" ")
    }

    fn settings(&self, set: &str, lock_timeout: &str) -> Vec<String> {
        let mut settings: Vec<String> = SETTINGS
            .iter()
            .map(|(name, value)| format!("{set} {name} = {value};"))
            .collect();
        settings.push(format!("{set} lock_timeout = {lock_timeout};"));
        if let Some(limit) = self.statement_timeout {
            settings.push(format!(
                "{set} statement_timeout = {};",
                milliseconds(limit)
            ));
        }
        settings
    }
}

/// Returns a limit for the server, where zero would mean no limit.
fn milliseconds(duration: Duration) -> u128 {
    duration.as_millis().clamp(1, 2_147_483_647)
}
