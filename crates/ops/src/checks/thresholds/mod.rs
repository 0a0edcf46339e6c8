//! Thresholds: every limit with its default, its unit and its range.

#[cfg(feature = "thresholds-file")]
mod file;
mod group;
mod groups;

use serde::{Deserialize, Serialize};

pub use groups::{
    BloatThresholds, CacheThresholds, ConnectionThresholds, LockThresholds, PoolHealthThresholds,
    SealingThresholds, StatementThresholds, TransactionThresholds, VacuumThresholds,
};

use crate::error::OpsError;
use group::Bound;

/// Every threshold; each name ends with its unit. With the feature `thresholds-file` they are read
/// from a TOML file, and a key that the file does not set keeps its default.
///
/// # Example
///
/// ```
/// use neobank_ops::Thresholds;
///
/// let mut thresholds = Thresholds::default();
/// thresholds.connections.usage_warning_percent = 60;
/// thresholds.check()?;
///
/// thresholds.connections.usage_warning_percent = 101;
/// assert_eq!(
///     thresholds.check().unwrap_err().to_string(),
///     "connections.usage_warning_percent is 101, but must be a whole number between 1 and 100"
/// );
/// # Ok::<(), neobank_ops::OpsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Thresholds {
    /// Bloat of tables and indexes.
    pub bloat: BloatThresholds,
    /// Hits in the server's buffers.
    pub cache: CacheThresholds,
    /// The server's connections.
    pub connections: ConnectionThresholds,
    /// Waits for locks, and deadlocks.
    pub locks: LockThresholds,
    /// The verdicts on a pool.
    pub pool_health: PoolHealthThresholds,
    /// The lags of the sealer and of the consumers of events.
    pub sealing: SealingThresholds,
    /// Slow statements.
    pub statements: StatementThresholds,
    /// Open transactions.
    pub transactions: TransactionThresholds,
    /// The age of the xmin horizon, which holds vacuum back.
    pub vacuum: VacuumThresholds,
}

impl Thresholds {
    /// Compares every value with its range and its twin.
    ///
    /// # Errors
    ///
    /// [`OpsError::Invalid`] names the first invalid value.
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
            self.sealing.bounds(),
            self.statements.bounds(),
            self.transactions.bounds(),
            self.vacuum.bounds(),
        ]
        .concat()
    }
}

#[cfg(test)]
#[cfg(feature = "thresholds-file")]
mod tests;
