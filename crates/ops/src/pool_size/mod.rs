//! The size of one instance's pool, and the bound that decides it.

mod bound;
mod error;
mod input;

pub use bound::{Bound, BoundKind, BoundName};
pub use error::PoolSizeError;
pub use input::{PoolSizeInput, ServerMemory};

use serde::Serialize;

/// A pool size, with every bound that was computed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PoolSize {
    /// Connections for the pool of one instance.
    pub size: u32,
    /// The bound that equals the size, the first in the order of [`BoundName`].
    pub binds: BoundName,
    /// `true` if the size meets the demand that Little's law gives. Otherwise callers will wait:
    /// transactions must become shorter, or the server larger; more connections would not help.
    pub demand_is_met: bool,
    /// Every bound that could be computed, in the order of [`BoundName`].
    pub bounds: Vec<Bound>,
}

/// Computes the size of one instance's pool: the lowest of the upper bounds, but never below the
/// floor under which threads that hold a connection and request another one can wait for each other
/// forever.
///
/// The SQL function `pooling.calculate_pool_size` returns the same bounds.
///
/// # Errors
///
/// [`PoolSizeError::Invalid`] names the field and its value; [`PoolSizeError::NoSafeSize`] when the
/// floor exceeds an instance's share of the server's connections.
///
/// # Example
///
/// ```
/// use neobank_ops::pool_size::{BoundName, PoolSizeInput, pool_size};
///
/// // 2,000 transactions a second that each hold a connection for 5 ms, on a server with 8 cores and 200 connections.
/// let input = PoolSizeInput::new(200, 5.0, 2000.0).with_physical_cores(8);
/// let answer = pool_size(&input)?;
/// assert_eq!((answer.size, answer.binds), (13, BoundName::Demand));
/// assert!(answer.to_string().contains("Little"));
/// # Ok::<(), neobank_ops::pool_size::PoolSizeError>(())
/// ```
pub fn pool_size(input: &PoolSizeInput) -> Result<PoolSize, PoolSizeError> {
    input.check()?;
    let bounds = bound::all(input)?;
    let lowest = |kinds: &[BoundKind]| {
        bounds
            .iter()
            .filter(|bound| kinds.contains(&bound.kind))
            .min_by_key(|bound| bound.connections)
    };
    let floor = bound::deadlock_floor(input);
    if let Some(limit) = lowest(&[BoundKind::Limit])
        && floor > limit.connections
    {
        return Err(PoolSizeError::NoSafeSize {
            floor,
            limit: limit.connections,
            bound: limit.name,
        });
    }
    let ceiling = lowest(&[BoundKind::Need, BoundKind::Advice, BoundKind::Limit]);
    let (size, binds) = match ceiling {
        Some(ceiling) if ceiling.connections >= floor => (ceiling.connections, ceiling.name),
        _ => (floor, BoundName::DeadlockFloor),
    };
    Ok(PoolSize {
        // The limits on the input keep the fair share, and with it the size, below this.
        size: u32::try_from(size).unwrap_or(u32::MAX),
        binds,
        demand_is_met: bound::demand(input) <= size,
        bounds,
    })
}

impl std::fmt::Display for PoolSize {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for bound in &self.bounds {
            let mark = if bound.name == self.binds { "*" } else { " " };
            writeln!(
                formatter,
                "{mark} {:<14} {:>9}  {} [{}]",
                bound.name.as_str(),
                bound.connections,
                bound.formula,
                bound.source
            )?;
        }
        write!(
            formatter,
            "= {} connections for each instance; {} binds{}",
            self.size,
            self.binds.as_str(),
            if self.demand_is_met {
                ""
            } else {
                "; the demand is not met, so callers will wait"
            }
        )
    }
}

#[cfg(test)]
mod tests;
