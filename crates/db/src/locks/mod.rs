//! Named locks between processes, on PostgreSQL's advisory locks.
//!
//! | Kind | Held by | Ends |
//! |---|---|---|
//! | [`lock`], the default | a transaction | with the transaction, in every case |
//! | [`SessionLock`] | a connection of its own | when it is released or dropped, or a stated time after its holder's last keep-alive |
//! | [`LockLease`] | a row with an expiry time | when it is released, or when it expires by the database's clock |
//!
//! One [`LockName`] is one lock: a holder of any kind excludes every other. SQL locks the same
//! names by `concurrency.take_locks` and, for customers, by `concurrency.acquire_customer_lock`.
//!
//! # Fencing tokens
//!
//! Each holder of a name receives a [`FencingToken`], which is higher than the one before. A holder
//! that stalls for long enough loses a [`SessionLock`] or a [`LockLease`] without noticing.
//! [`check_fencing_token`] in the transaction of its write then rejects that write. Writes in the
//! very transaction that holds the lock need no such check.
//!
//! # Order
//!
//! One call locks its names in the order of their keys, so that two such calls never wait for each
//! other. No order applies across calls: a transaction that holds a lock and requests one with a
//! lower key can deadlock with another. Acquire all names in one call, or let [`lock_in_order`]
//! reject the request. The server detects a deadlock after its `deadlock_timeout` (1 s by default);
//! a shorter timeout of the lock ends one of the two waits first, as [`LockError::Timeout`].
//!
//! # Limits
//!
//! A lock occupies a slot of the server's shared lock table, which has `max_locks_per_transaction`
//! (64) slots for each connection. Each name that was ever locked has a row in
//! `concurrency.lock_names` until [`delete_names`] deletes it.
//!
//! # Example
//!
//! ```no_run
//! use std::time::Duration;
//! use neobank_db::{Database, locks};
//! use neobank_db::locks::{LockError, LockName};
//!
//! async fn close_the_day(database: &Database, branch: &str) -> Result<(), LockError> {
//!     let name = LockName::new("day-end", branch)?;
//!     let mut transaction = database.begin().await?;
//!     locks::lock(&mut transaction, &[name], Duration::from_secs(3)).await?;
//!     // No other process closes this branch's day until here.
//!     transaction.commit().await?;
//!     Ok(())
//! }
//! ```

mod answer;
mod error;
mod held;
mod keepalive;
mod lease;
mod name;
mod options;
mod registry;
mod session;
mod token;
mod transaction;

pub use error::LockError;
pub use held::{HeldLock, held_locks};
pub use lease::LockLease;
pub use name::{LockName, LockNameError};
pub use options::SessionLockOptions;
pub use registry::delete_names;
pub use session::SessionLock;
pub use token::{FencingToken, check_fencing_token};
pub use transaction::{TransactionLocks, lock, lock_in_order, try_lock};
