//! The budget of the pools: connections of the server, and file descriptors of their own machine.

use super::{PgbouncerConfig, PgbouncerError};

/// File descriptors for PgBouncer's listening sockets, its log and its resolver; PgBouncer adds the
/// same 10 to its own estimate.
const OWN_FILES: u64 = 10;

/// The greatest demand of the pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) connections: u64,
    pub(super) available: u64,
    pub(super) files: u64,
}

pub(super) fn check(config: &PgbouncerConfig) -> Result<Budget, PgbouncerError> {
    let number = |field: &str, value: u32| match value {
        1.. => Ok(()),
        0 => Err(PgbouncerError::invalid(field, "0", "at least 1")),
    };
    number("users", config.users)?;
    number("pool_size", config.pool_size)?;
    number("max_client_conn", config.max_client_conn)?;
    number("max_db_connections", config.max_db_connections.unwrap_or(1))?;
    number("budget.instances", config.budget.instances)?;
    let pool_sizes = || {
        let of = |database: &super::PoolDatabase| database.pool_size.unwrap_or(config.pool_size);
        config.databases.iter().map(of)
    };
    pool_sizes().try_for_each(|size| number("databases.pool_size", size))?;
    if let Some(smallest) = pool_sizes().min()
        && config.min_pool_size > smallest
    {
        return Err(PgbouncerError::invalid(
            "min_pool_size",
            &config.min_pool_size.to_string(),
            &format!("at most the smallest pool_size, which is {smallest}"),
        ));
    }
    // The user that looks up other users has a pool as well.
    let pools = u64::from(config.users) + u64::from(config.auth_query.is_some());
    let servers = pool_sizes()
        .map(|size| {
            let all = pools.saturating_mul(u64::from(size) + u64::from(config.reserve_pool_size));
            all.min(config.max_db_connections.map_or(u64::MAX, u64::from))
        })
        .fold(0, u64::saturating_add);
    connections(config, servers).and_then(|(connections, available)| {
        Ok(Budget {
            connections,
            available,
            files: files(config, servers)?,
        })
    })
}

fn connections(config: &PgbouncerConfig, servers: u64) -> Result<(u64, u64), PgbouncerError> {
    let budget = &config.budget;
    let needed = servers.saturating_mul(u64::from(budget.instances));
    let reserved = u64::from(budget.superuser_reserved_connections)
        + u64::from(budget.reserved_connections)
        + u64::from(budget.other_connections);
    let available = u64::from(budget.max_connections).saturating_sub(reserved);
    if needed > available {
        return Err(PgbouncerError::TooManyConnections {
            needed,
            available,
            max_connections: budget.max_connections,
            reserved,
        });
    }
    Ok((needed, available))
}

fn files(config: &PgbouncerConfig, servers: u64) -> Result<u64, PgbouncerError> {
    let needed = u64::from(config.max_client_conn)
        .saturating_add(servers)
        .saturating_add(OWN_FILES);
    if needed > u64::from(config.file_descriptors) {
        return Err(PgbouncerError::TooManyFiles {
            needed,
            clients: config.max_client_conn,
            servers,
            own: OWN_FILES,
            limit: config.file_descriptors,
        });
    }
    Ok(needed)
}
