//! Monitoring of PostgreSQL by typed queries, with verdicts.
//!
//! [`Monitor`] runs typed queries over one bounded connection, so that it cannot overload the
//! server. Each result is a [`Section`]: the rows, or the reason why there are none (a privilege,
//! an extension, a lock), so that a report degrades section by section. [`checks`] judges them:
//! [`Monitor::check`] returns a [`Verdict`](checks::Verdict) on each of a registry of subjects, by
//! the limits of [`Thresholds`].
//!
//! # Adding a query
//!
//! One file for each query, in the folder of its subject (`connections/idle.rs` is a short one):
//!
//! 1. `pub struct XRow`, with `Clone, Debug, Serialize, FromRow` and `#[non_exhaustive]`: one field
//!    for each column, its unit in the name (`age_seconds`, `size_bytes`). Oids are cast to `int8`,
//!    intervals become seconds.
//! 2. `pub fn statement(version, parameters) -> Statement`: sea-query through [`build`], on the
//!    identifiers of `neobank_entity::pg_catalog`. Only the two estimates of bloat are SQL in a
//!    file. Where the schema has a function or a view with the same query, `cargo xtask generate`
//!    writes its body from here: [`schema_sql`].
//! 3. `impl Monitor { pub async fn x(&self, ..) -> Result<Section<Vec<XRow>>, OpsError> }`, by
//!    [`Monitor::section`]. Data that needs another privilege is read by another query, so that one
//!    missing privilege costs one section.
//! 4. Everything that is computed from rows (a graph, a verdict) is a pure function beside them,
//!    with unit and property tests.
//! 5. A snapshot of the SQL in the file's own tests (`insta::assert_snapshot!(name,
//!    readable(&statement(..)))`), for each version whose SQL differs; and live scenarios on
//!    PostgreSQL 15 and 18 in `tests/it/ops`.
//!
//! Ages use `clock_timestamp()`: `now()` is the transaction's start.

#![cfg_attr(test, allow(clippy::float_arithmetic, reason = "figures, no money"))]

pub mod activity;
mod arrays;
mod as_text;
pub mod bloat;
pub mod blocking;
pub mod checks;
pub mod connections;
pub mod deadlocks;
mod error;
pub mod health;
pub mod horizon;
pub mod indexes;
pub mod isolation;
pub mod live;
mod monitor;
pub mod mvcc;
pub mod pgbouncer;
pub mod pool_size;
mod privileges;
#[cfg(test)]
mod readable;
pub mod replication;
pub mod schema_sql;
pub mod sealing;
mod section;
mod server_version;
mod sql;
mod statement_text;
mod table_name;
pub mod wraparound;

pub use checks::thresholds::{
    BloatThresholds, CacheThresholds, ConnectionThresholds, LockThresholds, PoolHealthThresholds,
    SealingThresholds, StatementThresholds, Thresholds, TransactionThresholds, VacuumThresholds,
};
pub use error::OpsError;
pub use monitor::{Monitor, MonitorLimits, build};
pub use neobank_db::pooler;
pub use section::{Cause, Reason, Section, Unreadable};
pub use server_version::ServerVersion;
pub use statement_text::without_secrets;
pub use table_name::TableName;

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
