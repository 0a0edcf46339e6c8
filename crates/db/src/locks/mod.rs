//! Named locks between processes, on PostgreSQL's advisory locks.
//!
//! | Kind | Held by | Ends |
//! |---|---|---|
//! | [`lock`], the default | a transaction | with the transaction, whatever happens |
//! | [`SessionLock`] | a connection of its own | at its release or drop, or a stated time after its holder fell silent |
//! | [`LockLease`] | a row with an end | at its release, or at its end by the database's clock |
//!
//! One [`LockName`] is one lock: whoever has it, in whichever of the three ways, keeps everybody else out. The same names are
//! locked from SQL by `concurrency.take_locks` and, for customers, by `concurrency.acquire_customer_lock`.
//!
//! # Fencing tokens
//!
//! Each holder of a name gets a [`FencingToken`], higher than the one before. A holder that was stalled for long enough has
//! lost a [`SessionLock`] or a [`LockLease`] without knowing it; [`check_fencing_token`] in the transaction of its write
//! refuses that write. Writes in the very transaction that holds the lock need no such check.
//!
//! # Order
//!
//! The names of one call are locked in the order of their keys, so that two such calls never wait for each other. Across
//! calls nobody sorts: a transaction that holds a lock and asks for one with a lower key can deadlock with another. Take all
//! in one call, or let [`lock_in_order`] refuse it. The server notices a deadlock after its `deadlock_timeout` (1 s unless
//! changed); a shorter timeout of the lock ends one of the two waits first, as [`LockError::Timeout`].
//!
//! # Limits
//!
//! A lock takes a place in the server's shared lock table, which has room for `max_locks_per_transaction` (64) times the
//! number of connections. Each name that was ever locked has a row in `concurrency.lock_names` until
//! [`delete_names`] deletes it.
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
//!     // Nobody else closes this branch's day until here.
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
