use std::time::Duration;

use crate::schema::Schema;
use crate::session::SETTINGS;

/// What each transaction of a session is, whatever the defaults of the role and the database are.
const SESSION_CHARACTERISTICS: &str =
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE";

/// The schema of a rollout, and its limits.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
    /// Sets the schema to apply.
    #[must_use]
    pub fn with_schema(mut self, schema: Schema) -> Self {
        self.schema = schema;
        self
    }

    /// Sets the limit of a statement's wait for a lock.
    #[must_use]
    pub const fn with_lock_timeout(mut self, lock_timeout: Duration) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }

    /// Sets the number of attempts of a step that meets a locked table.
    #[must_use]
    pub const fn with_lock_attempts(mut self, lock_attempts: u32) -> Self {
        self.lock_attempts = lock_attempts;
        self
    }

    /// Sets the pause after the first attempt; it doubles after each.
    #[must_use]
    pub const fn with_lock_pause(mut self, lock_pause: Duration) -> Self {
        self.lock_pause = lock_pause;
        self
    }

    /// Sets the limit of a statement's run time; `None` is no limit.
    #[must_use]
    pub fn with_statement_timeout(
        mut self,
        statement_timeout: impl Into<Option<Duration>>,
    ) -> Self {
        self.statement_timeout = statement_timeout.into();
        self
    }

    /// Sets the limit of the wait for another rollout.
    #[must_use]
    pub const fn with_rollout_wait(mut self, rollout_wait: Duration) -> Self {
        self.rollout_wait = rollout_wait;
        self
    }

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
        let mut settings = self.settings("SET", "0");
        settings.push(format!("{SESSION_CHARACTERISTICS};"));
        settings.join("\n")
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
