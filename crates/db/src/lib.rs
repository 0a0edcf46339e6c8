//! Connections and transactions on PostgreSQL that a bank can trust.
//!
//! * [`DatabaseConfig`]: one typed configuration, from a URL or from the environment; it never shows its password.
//! * [`Database`]: an asynchronous pool. Statements that run on it, or on a [`Transaction`], return typed rows:
//!   [`Executor::fetch_many`], [`Executor::fetch_one`], [`Executor::execute`]. SeaORM's entities run on both as well.
//! * [`Database::transaction`]: commits on `Ok`, rolls back on `Err`, on a panic and when the caller's future is
//!   dropped. Savepoints nest with [`Transaction::nested`].
//! * [`locks`]: named locks between processes, for a transaction, a session or a time, with fencing tokens.
//! * [`DatabaseError`]: one error, with [`ErrorClass`] made from the SQLSTATE alone, never from a text.
//!
//! # What cannot happen here
//!
//! The drivers that people use were seen to lose acknowledged writes in three ways; each has a test that it cannot:
//!
//! * A transaction in which a statement failed is rolled back by the server's `COMMIT`, and drivers answer `Ok`.
//!   [`Transaction::commit`] returns [`DatabaseError::TransactionAborted`].
//! * A future that is dropped while it begins a transaction leaves a connection in the pool with the transaction open;
//!   the next write on it is acknowledged and lost. Here a connection returns to the pool only after the server itself
//!   has said that no transaction is open.
//! * A dropped connection to a server that no longer answers keeps its place in the pool for ever. Here its recovery
//!   has a limit of [`DatabaseConfig::recovery_timeout`], after which the connection is closed and its place is free.
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

mod address;
mod announced;
mod autocommit;
mod batches;
mod begin;
mod config;
mod connection;
mod database;
mod direct;
mod error;
mod executor;
mod jitter;
mod lexer;
pub mod locks;
mod manager;
mod outcome;
mod parameter;
mod pinned;
pub mod pool;
mod pooled_connection;
pub mod pooler;
mod retry;
mod row;
mod seaorm;
mod secret;
mod session;
mod settings;
mod socket;
mod tls;
mod transaction;

pub use autocommit::{Autocommit, Written};
pub use config::{
    AuthMethods, ChannelBinding, ConfigError, DatabaseConfig, Pooler, TargetSessionAttrs, TlsMode,
};
pub use database::{Database, PoolStatus};
pub use direct::{DirectConnection, DirectStatement, TextRow};
pub use error::{DatabaseError, ErrorClass, ServerError};
pub use executor::{Executor, read_lossy, statement};
pub use locks::{LockError, LockName, SessionLock};
pub use neobank_db_derive::FromQueryResult;
pub use neobank_entity::{Constraint, constraints, sqlstates};
pub use outcome::delete_outcomes;
pub use retry::{HoldsDatabaseError, RetryCount, RetryError, RetryPolicy, TransactionCommand};
pub use sea_orm::{self, Statement, Value};
pub use settings::{HOSTILE_SETTINGS, Harm, HostileSetting, hostile_setting};
pub use transaction::{
    IsolationLevel, Prepared, Savepoint, Transaction, TransactionError, TransactionOptions,
    in_order,
};

/// The trait alone: its derive of the same name is [`neobank_db_derive::FromQueryResult`], which works in every crate.
mod result {
    pub use sea_orm::FromQueryResult;
}
pub use result::*;

/// The driver's types that the pipelined statements of [`Transaction`] speak.
pub mod driver {
    pub use tokio_postgres::Row;
    pub use tokio_postgres::types::{FromSql, ToSql, Type};
}

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
