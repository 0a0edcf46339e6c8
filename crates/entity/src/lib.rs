//! SeaORM entities of every table, a module for each schema.
//!
//! Generated from the migrated database by `cargo xtask generate`; a check keeps them fresh. They run on `neobank-db`'s
//! `Database` and `Transaction`, and on any other connection of SeaORM.
//!
//! To read is what they are for. Money moves only through `neobank-domain`'s ledger: the database refuses every other way,
//! whatever an `ActiveModel` says. Columns that the database computes (`available_balance`, `reference_number`) and
//! identities are there to be read; leave them `NotSet` when a row is inserted.
//!
//! # Example
//!
//! ```
//! use neobank_entity::banking::accounts;
//! use neobank_entity::enums::AccountStatus;
//! use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryTrait};
//!
//! let query = accounts::Entity::find().filter(accounts::Column::AccountStatus.eq(AccountStatus::Frozen));
//! assert!(query.build(DbBackend::Postgres).to_string().contains(r#"FROM "banking"."accounts""#));
//! ```

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "the modules are generated; docs/schema tells what the columns mean"
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
pub mod pooling;
pub mod sqlstates;

mod call;
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
