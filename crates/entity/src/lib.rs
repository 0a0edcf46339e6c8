//! The schema of NeoBank as Rust: SeaORM entities, enums, constraints, SQLSTATEs and function
//! calls.
//!
//! `cargo xtask generate` writes the modules from the migrated database, and a check in CI compares
//! the two. Code that names a column which was renamed or dropped does not compile.
//!
//! The entities run on `neobank-db`'s `Database` and `Transaction`, and on any other connection of
//! SeaORM. Use them for reading: money moves only through `neobank-domain`'s ledger, and the
//! database rejects any other change of a balance, also one by an `ActiveModel`. Leave the columns
//! that the database computes (`available_balance`, `reference_number`) and identity columns
//! `NotSet` in an insertion.
//!
//! # Example
//!
//! ```
//! use neobank_entity::banking::accounts;
//! use neobank_entity::enums::AccountStatus;
//! use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryTrait};
//!
//! let frozen = accounts::Column::AccountStatus.eq(AccountStatus::Frozen);
//! let query = accounts::Entity::find().filter(frozen).build(DbBackend::Postgres);
//! assert!(query.to_string().contains(r#"FROM "banking"."accounts""#));
//! ```

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "the modules are generated; docs/schema explains the columns"
)]
#![allow(
    clippy::all,
    unused_qualifications,
    reason = "the modules are generated"
)]

pub mod banking;
pub mod concurrency;
pub mod constraints;
pub mod enums;
pub mod functions;
pub mod pg_catalog;
pub mod pooling;
pub mod sqlstates;

mod call;
mod catalog_relation;
mod constraint;
mod exact;
mod from_row;
mod text_column;
mod unknown_value;

pub use constraint::Constraint;
pub use exact::Exact;
pub use from_row::{FromColumn, FromRow, RowError};
pub use unknown_value::UnknownValue;

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
