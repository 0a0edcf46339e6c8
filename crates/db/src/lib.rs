//! Connections and transactions on PostgreSQL that a bank can trust.
//!
//! * [`DatabaseConfig`]: one typed configuration, read from a URL or from the environment. `Debug`
//!   hides its password.
//! * [`Database`]: an asynchronous connection pool. Statements that run on it or on a
//!   [`Transaction`] return typed rows: [`Executor::fetch_many`], [`Executor::fetch_one`],
//!   [`Executor::execute`]. With the feature `sea-orm`, SeaORM's entities run on both as well.
//! * [`Database::transaction`]: commits on `Ok`; rolls back on `Err`, on a panic and when the
//!   caller drops the future. Savepoints nest with [`Transaction::nested`].
//! * [`locks`]: named locks between processes, held by a transaction, by a session or as a lease,
//!   with fencing tokens.
//! * [`DatabaseError`]: one error type. Its [`ErrorClass`] is derived from the SQLSTATE alone,
//!   never from a message.
//!
//! # Guarantees
//!
//! Widely used drivers have three faults: two lose acknowledged writes, and one blocks a pool. This
//! crate prevents each, and a test shows it:
//!
//! * The server answers `COMMIT` with a rollback when a statement of the transaction failed, and
//!   drivers return `Ok`. [`Transaction::commit`] returns [`DatabaseError::TransactionAborted`].
//! * A future that is dropped while it begins a transaction leaves a pooled connection with the
//!   transaction open; the next write on it is acknowledged and lost. Here a connection returns to
//!   the pool only after the server has confirmed that no transaction is open.
//! * A dropped connection to a server that no longer answers occupies its slot in the pool for
//!   ever. Here recovery ends after [`DatabaseConfig::recovery_timeout`]: the pool closes the
//!   connection and frees the slot.
//!
//! # Example
//!
//! ```
//! use neobank_db::{Database, DatabaseConfig, Executor, statement};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let server = neobank_postgres::ServerOptions::default().start()?;
//! # let url = server.url();
//! let database = Database::connect(DatabaseConfig::from_url(url)?).await?;
//! let sum: i64 = database
//!     .fetch_value(statement("SELECT $1::bigint + $2::bigint", [40_i64.into(), 2_i64.into()]))
//!     .await?;
//! assert_eq!(sum, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod autocommit;
mod batches;
mod config;
mod connection;
mod database;
mod error;
mod executor;
mod jitter;
pub mod locks;
mod parameter;
pub mod pool;
pub mod pooler;
mod retry;
mod row;
#[cfg(feature = "sea-orm")]
mod seaorm;
mod tls;
mod transaction;

pub use autocommit::{Autocommit, Written};
pub use config::{
    AuthMethods, ChannelBinding, ConfigError, DatabaseConfig, Pooler, TargetSessionAttrs, TlsMode,
    environment_variable,
};
pub use connection::{
    DirectConnection, DirectStatement, HOSTILE_SETTINGS, Harm, HostileSetting, TextRow,
    hostile_setting,
};
pub use database::{Database, PoolStatus};
pub use error::{DatabaseError, ErrorClass, ServerError};
pub use executor::{Executor, read_lossy, statement};
pub use locks::{LockError, LockName, SessionLock};
pub use neobank_db_derive::FromRow;
pub use neobank_entity::{
    Constraint, FromColumn, FromRow, RowError, Statement, constraints, sqlstates,
};
pub use retry::{
    HoldsDatabaseError, RetryCount, RetryError, RetryPolicy, TransactionCommand,
    delete_commit_records,
};
#[cfg(feature = "sea-orm")]
pub use sea_orm;
pub use sea_query::{self, Value};
pub use transaction::{
    IsolationLevel, Prepared, Savepoint, Transaction, TransactionError, TransactionOptions,
    pipeline,
};

/// The driver's types that the prepared statements of [`Transaction`] take and return.
pub mod driver {
    pub use tokio_postgres::Row;
    pub use tokio_postgres::types::{FromSql, ToSql, Type};
}

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
