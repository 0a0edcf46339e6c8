//! The schema of NeoBank as Rust: models and identifiers of every table and view, enums,
//! constraints, SQLSTATEs and function calls.
//!
//! `cargo xtask generate` writes the modules from the migrated database, and a check in CI compares
//! the two. Code that names a column which was renamed or dropped does not compile.
//!
//! The module of a table or view has its `Model`, which is read from a row, and its `Entity` and
//! `Column`, which are identifiers for the builders of sea-query. The feature `sea-orm` adds SeaORM's
//! entities of the tables in the module `orm`.
//!
//! Use the models for reading: money moves only through `neobank-domain`'s ledger, and the database
//! rejects any other change of a balance. The database computes some columns (`available_balance`,
//! `reference_number`) and makes the identities.
//!
//! # Example
//!
//! ```
//! use neobank_entity::Statement;
//! use neobank_entity::banking::accounts::{Column, Entity};
//! use neobank_entity::enums::AccountStatus;
//! use sea_query::{Expr, ExprTrait};
//!
//! let mut frozen = Entity::select();
//! frozen.and_where(Expr::col(Column::AccountStatus).eq(AccountStatus::Frozen));
//! assert!(Statement::from_query(&frozen).sql.contains(r#"FROM "banking"."accounts""#));
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
pub mod currencies;
pub mod enums;
pub mod functions;
#[cfg(feature = "sea-orm")]
pub mod orm;
pub mod pg_catalog;
pub mod pooling;
pub mod sqlstates;

mod call;
mod catalog_relation;
mod constraint;
mod exact;
mod from_row;
mod interval;
mod relation;
mod statement;
mod text_column;
mod unknown_value;

pub use constraint::Constraint;
pub use exact::Exact;
pub use from_row::{FromColumn, FromRow, RowError, TimeOfDay};
pub use interval::Interval;
pub use statement::Statement;
pub use unknown_value::UnknownValue;

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
