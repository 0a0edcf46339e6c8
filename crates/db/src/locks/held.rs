//! The locks that server processes hold or wait for.

use chrono::{DateTime, Utc};
use neobank_entity::Statement;
use neobank_entity::concurrency::v_held_locks::{Column, Entity};
use sea_query::Order;

use super::answer::get;
use super::error::LockError;
use super::name::LockName;
use crate::executor::Executor;

/// A lock that a server process holds or waits for. Leases are not included: they are rows of
/// `concurrency.lock_leases`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldLock {
    /// The key that the server locks.
    pub key: i64,
    /// The name; `None` for an advisory lock that was not acquired by name, and while the
    /// transaction that uses the name for the first time is open.
    pub name: Option<LockName>,
    /// The server process.
    pub process_id: i32,
    /// `ExclusiveLock`, or `ShareLock` for a lock that was not acquired by name.
    pub mode: String,
    /// True when the process holds the lock, false when it waits for it.
    pub granted: bool,
    /// The start of the wait. `None` for a held lock, and for a moment after the wait began.
    pub waiting_since: Option<DateTime<Utc>>,
}

/// Returns all advisory locks of this database that have one key of 64 bits: for each key the
/// holders first, then the waiting processes in their order.
///
/// # Errors
///
/// [`LockError::Database`].
pub async fn held_locks(on: &impl Executor) -> Result<Vec<HeldLock>, LockError> {
    let mut query = Entity::select();
    query
        .order_by(Column::LockKey, Order::Asc)
        .order_by(Column::Granted, Order::Desc)
        .order_by(Column::WaitingSince, Order::Asc)
        .order_by(Column::ProcessId, Order::Asc);
    on.query(Statement::from_query(&query))
        .await?
        .iter()
        .map(|row| {
            let namespace: Option<String> = get(row, Column::Namespace.as_str())?;
            let identifier: Option<String> = get(row, Column::Identifier.as_str())?;
            Ok(HeldLock {
                key: get(row, Column::LockKey.as_str())?,
                name: namespace
                    .zip(identifier)
                    .map(|(namespace, identifier)| LockName::from_parts(namespace, identifier)),
                process_id: get(row, Column::ProcessId.as_str())?,
                mode: get(row, Column::Mode.as_str())?,
                granted: get(row, Column::Granted.as_str())?,
                waiting_since: get(row, Column::WaitingSince.as_str())?,
            })
        })
        .collect()
}
