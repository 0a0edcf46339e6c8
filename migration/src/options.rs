use std::time::Duration;

use crate::schema::Schema;
use crate::session::SETTINGS;

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
    /// How long a statement may run; without, as long as it takes, whatever the server's settings say.
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
    /// What a transaction begins with: the limits, and every setting that changes what SQL means.
    pub(crate) fn limits(&self) -> String {
        self.settings("SET LOCAL", &milliseconds(self.lock_timeout).to_string())
            .join("\n")
    }

    /// What comes before a migration that is not a transaction. Without a limit for locks: such statements take none
    /// that production would have to wait behind, and one that gives up leaves an invalid index.
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

/// As the server takes it: zero would mean no limit.
fn milliseconds(duration: Duration) -> u128 {
    duration.as_millis().clamp(1, 2_147_483_647)
}
