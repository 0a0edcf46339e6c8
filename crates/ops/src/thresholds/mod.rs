//! From when on something is worth a warning, in one file.

mod group;
mod groups;
mod read;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use groups::{
    BloatThresholds, CacheThresholds, ConnectionThresholds, LockThresholds, PoolHealthThresholds,
    StatementThresholds, TransactionThresholds, VacuumThresholds,
};

use crate::error::OpsError;
use group::Bound;

/// Every threshold; each name ends with its unit. What a file does not set keeps its default.
///
/// # Example
///
/// ```
/// use neobank_ops::Thresholds;
///
/// let thresholds = Thresholds::from_toml("[connections]\nusage_warning_percent = 60\n")?;
/// assert_eq!(thresholds.connections.usage_warning_percent, 60);
/// assert_eq!(thresholds.connections.usage_critical_percent, 90);
/// let error = Thresholds::from_toml("[connections]\nusage_warning_percent = 101\n").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "connections.usage_warning_percent is 101, but must be a whole number between 1 and 100"
/// );
/// # Ok::<(), neobank_ops::OpsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Thresholds {
    /// Space that holds nothing.
    pub bloat: BloatThresholds,
    /// Buffers.
    pub cache: CacheThresholds,
    /// The server's connections.
    pub connections: ConnectionThresholds,
    /// Waits for locks, and deadlocks.
    pub locks: LockThresholds,
    /// The verdicts on a pool.
    pub pool_health: PoolHealthThresholds,
    /// Statements that take long.
    pub statements: StatementThresholds,
    /// Transactions that stay open.
    pub transactions: TransactionThresholds,
    /// What holds a vacuum back.
    pub vacuum: VacuumThresholds,
}

impl Thresholds {
    /// Reads a text of TOML: a table for each group, as [`Thresholds::to_toml`] writes them.
    ///
    /// # Errors
    ///
    /// [`OpsError::ThresholdFile`] for a text that is not TOML, [`OpsError::UnknownThreshold`] for a key that is not known,
    /// [`OpsError::Invalid`] for a value out of its range, of another type, or a warning behind its critical twin; each
    /// names the key and the value.
    pub fn from_toml(text: &str) -> Result<Self, OpsError> {
        let thresholds = read::read(text)?;
        thresholds.check()?;
        Ok(thresholds)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// As [`Thresholds::from_toml`], and [`OpsError::ThresholdFile`] when the file cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, OpsError> {
        let failed = |reason: String| OpsError::ThresholdFile {
            path: Some(path.to_owned()),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::from_toml(&text).map_err(|error| match error {
            OpsError::ThresholdFile { reason, .. } => failed(reason),
            other => other,
        })
    }

    /// All of them as TOML, each with its meaning, unit and range as a comment; what a file can look like.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut table = "";
        for bound in self.bounds() {
            if bound.group != table {
                let gap = if table.is_empty() { "" } else { "\n" };
                text.push_str(&format!("{gap}[{}]\n", bound.group));
                table = bound.group;
            }
            text.push_str(&format!(
                "# {} From {} to {}.\n{} = {}\n",
                bound.meaning,
                bound.range.start(),
                bound.range.end(),
                bound.field,
                bound.value
            ));
        }
        text
    }

    /// Holds every value against its range and its twin.
    ///
    /// # Errors
    ///
    /// [`OpsError::Invalid`] names the first that is wrong.
    pub fn check(&self) -> Result<(), OpsError> {
        let bounds = self.bounds();
        bounds.iter().try_for_each(Bound::check)?;
        bounds
            .iter()
            .try_for_each(|bound| bound.check_twin(&bounds))
    }

    fn bounds(&self) -> Vec<Bound> {
        [
            self.bloat.bounds(),
            self.cache.bounds(),
            self.connections.bounds(),
            self.locks.bounds(),
            self.pool_health.bounds(),
            self.statements.bounds(),
            self.transactions.bounds(),
            self.vacuum.bounds(),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests;
