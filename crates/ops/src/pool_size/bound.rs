//! The bounds on a pool's size, each with its formula and its source.

use serde::Serialize;

use super::PoolSizeError;
use super::input::{PoolSizeInput, ServerMemory, invalid};

/// One bound on the size of an instance's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Bound {
    /// The bound's name.
    pub name: BoundName,
    /// The bound's effect on the size.
    pub kind: BoundKind,
    /// Connections of one instance.
    pub connections: i64,
    /// The formula, in the names of the input.
    pub formula: &'static str,
    /// The source of the formula.
    pub source: &'static str,
}

/// The names of the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BoundName {
    /// The demand of the load: more connections would be idle.
    Demand,
    /// The point where the server's throughput stops growing: more connections make it slower.
    PhysicalCores,
    /// An instance's share of the server's connections.
    FairShare,
    /// The number of connections that the machine's memory can hold.
    Memory,
    /// The least size without deadlocks: below it, threads that hold a connection and request
    /// another one can wait for each other forever.
    DeadlockFloor,
}

/// The effect of a bound on the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BoundKind {
    /// A larger pool is of no use.
    Need,
    /// A larger pool is slower; the floor may exceed it.
    Advice,
    /// The server rejects a larger pool, or runs out of memory.
    Limit,
    /// A smaller pool can deadlock.
    Floor,
}

impl BoundName {
    /// Returns the name in texts and in SQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Demand => "demand",
            Self::PhysicalCores => "physical_cores",
            Self::FairShare => "fair_share",
            Self::Memory => "memory",
            Self::DeadlockFloor => "deadlock_floor",
        }
    }
}

pub(super) fn all(input: &PoolSizeInput) -> Result<Vec<Bound>, PoolSizeError> {
    let mut bounds = vec![Bound {
        name: BoundName::Demand,
        kind: BoundKind::Need,
        connections: demand(input),
        formula: "ceil(ceil(transactions_per_second * mean_hold_ms / 1000 * (1 + headroom)) / instances)",
        source: "Little's law (1961)",
    }];
    if let Some(cores) = input.physical_cores {
        bounds.push(Bound {
            name: BoundName::PhysicalCores,
            kind: BoundKind::Advice,
            connections: divide_up(
                2 * i64::from(cores) + i64::from(input.spindles),
                i64::from(input.instances),
            ),
            formula: "ceil((2 * physical_cores + spindles) / instances)",
            source: "PostgreSQL wiki, Number Of Database Connections; HikariCP wiki, About Pool Sizing",
        });
    }
    bounds.push(Bound {
        name: BoundName::FairShare,
        kind: BoundKind::Limit,
        connections: fair_share(input)?,
        formula: "floor((max_connections - superuser_reserved_connections - reserved_connections - other_connections) / instances)",
        source: "PostgreSQL documentation, Connection Settings",
    });
    if let Some(memory) = &input.memory {
        bounds.push(Bound {
            name: BoundName::Memory,
            kind: BoundKind::Limit,
            connections: memory_share(input, memory)?,
            formula: "floor(floor((total_bytes - shared_buffers_bytes) / (work_mem_bytes * work_mem_multiple)) / instances)",
            source: "PostgreSQL documentation, Resource Consumption: work_mem",
        });
    }
    bounds.push(Bound {
        name: BoundName::DeadlockFloor,
        kind: BoundKind::Floor,
        connections: deadlock_floor(input),
        formula: "threads * (connections_per_thread - 1) + 1",
        source: "HikariCP wiki, About Pool Sizing: Pool-locking",
    });
    Ok(bounds)
}

/// Little's law: the number of transactions in progress is their arrival rate times their duration.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    reason = "an estimate of a load; the limits on the input keep it below 2^53"
)]
pub(super) fn demand(input: &PoolSizeInput) -> i64 {
    let at_a_time = input.transactions_per_second * input.mean_hold_ms / 1000.0;
    let total = (at_a_time * (1.0 + input.headroom)).ceil() as i64;
    // A product that rounds to 0 still needs a connection.
    divide_up(total.max(1), i64::from(input.instances))
}

pub(super) fn deadlock_floor(input: &PoolSizeInput) -> i64 {
    i64::from(input.threads) * (i64::from(input.connections_per_thread) - 1) + 1
}

fn fair_share(input: &PoolSizeInput) -> Result<i64, PoolSizeError> {
    let usable = i64::from(input.max_connections)
        - i64::from(input.superuser_reserved_connections)
        - i64::from(input.reserved_connections)
        - i64::from(input.other_connections);
    if usable < i64::from(input.instances) {
        return Err(invalid(
            "max_connections",
            &input.max_connections,
            "enough for what is reserved and one connection for each instance",
        ));
    }
    Ok(usable / i64::from(input.instances))
}

fn memory_share(input: &PoolSizeInput, memory: &ServerMemory) -> Result<i64, PoolSizeError> {
    let free = u128::from(memory.total_bytes - memory.shared_buffers_bytes);
    let each = u128::from(memory.work_mem_bytes) * u128::from(memory.work_mem_multiple);
    let share = free / each / u128::from(input.instances);
    if share == 0 {
        return Err(invalid(
            "total_bytes",
            &memory.total_bytes,
            "enough for shared_buffers_bytes and one connection of each instance",
        ));
    }
    Ok(i64::try_from(share).unwrap_or(i64::MAX))
}

/// Divides numbers that are not negative, rounding up.
fn divide_up(number: i64, by: i64) -> i64 {
    (number + by - 1) / by
}
