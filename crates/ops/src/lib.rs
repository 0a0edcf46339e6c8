//! Monitoring of PostgreSQL that tells the truth.
//!
//! [`Monitor`] asks typed questions over one bounded connection, and cannot hurt the server it
//! watches. Each answer is a [`Section`]: what was found, or why nothing could be (a privilege, an
//! extension, a lock), so that a report degrades part by part. [`checks`] judges them:
//! [`Monitor::check`] returns a [`Verdict`](checks::Verdict) on each of a registry of subjects, by
//! the limits of [`Thresholds`].
//!
//! # How a question is made
//!
//! One file for each question, in the folder of its subject (`connections/limits.rs` is the shortest to look at):
//!
//! 1. `pub struct XRow`, with `Clone, Debug, Serialize, FromQueryResult` and `#[non_exhaustive]`: one field for each
//!    column, its unit in the name (`age_seconds`, `size_bytes`). Oids are cast to `int8`, intervals become seconds.
//! 2. `pub fn statement(version, parameters) -> Statement`: sea-query through [`build`], or a text through
//!    [`neobank_db::statement`] where sea-query cannot say it; every name with its schema, also of `pg_catalog`.
//! 3. `impl Monitor { pub async fn x(&self, ..) -> Result<Section<Vec<XRow>>, OpsError> }`, by [`Monitor::section`]. What
//!    needs another privilege is another question, so that one row of n/a does not take the rest with it.
//! 4. What is computed from rows (a graph, a verdict) is a pure function beside it, with unit and property tests.
//! 5. A snapshot of the text in the file's own tests (`insta::assert_snapshot!(name, readable(&statement(..)))`), for each
//!    version whose text differs; and live scenarios on PostgreSQL 15 and 18 in `tests/it/ops`.
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
#[cfg(test)]
mod readable;
pub mod replication;
mod section;
mod server_version;
mod sight;
mod statement_text;
mod table_name;
pub mod wraparound;

pub use checks::thresholds::{
    BloatThresholds, CacheThresholds, ConnectionThresholds, LockThresholds, PoolHealthThresholds,
    StatementThresholds, Thresholds, TransactionThresholds, VacuumThresholds,
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
