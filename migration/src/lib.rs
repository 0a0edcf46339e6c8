//! The schemas `banking`, `pooling` and `concurrency`, and their migrations.
//!
//! Two kinds of SQL make a [`Schema`]: [`SqlMigration`]s, each applied once and in order, and
//! [`Object`]s (functions, triggers, views, grants), each a file that is applied again whenever its
//! content changes or the object is missing. [`Rollout`] brings a database to that schema:
//!
//! * Two concurrent rollouts are safe: the second waits for the first, and then has nothing to do.
//! * Each migration is a transaction of its own; a failed one is rolled back.
//! * No statement waits long for a lock, because every query behind it would wait too. It fails,
//!   lets the others pass, and is tried again.
//! * Each applied migration is recorded with its SHA-256: a migration that was edited later is
//!   reported, and no migration is applied after it.
//! * The server's catalogue is compared with the shipped [`Catalogue`]: [`Status::violations`]
//!   names each object that is missing, changed or foreign.
//! * Objects that another role created in the schemas are neither read nor executed, and no row is
//!   destroyed without a confirmation by the database's name.
//!
//! # Example
//!
//! ```no_run
//! use neobank_migration::{Rollout, RolloutOptions};
//!
//! # async fn example() -> Result<(), neobank_migration::RolloutError> {
//! let rollout = Rollout::connect("postgresql://owner@localhost/bank", RolloutOptions::default()).await?;
//! for step in rollout.plan().await? {
//!     println!("-- {}\n{}", step.title, step.sql);
//! }
//! let report = rollout.up().await?;
//! println!("{} migrations and {} objects applied", report.migrations.len(), report.objects.len());
//! # Ok(())
//! # }
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod catalogue;
mod confirmation;
mod data;
mod error;
mod lock;
mod migrator;
mod neobank;
mod options;
mod plan;
mod records;
mod report;
mod rollout;
mod schema;
mod session;
mod status;
mod step;
mod trust;

pub use catalogue::{Catalogue, Change, Difference, PropertyChange};
pub use confirmation::{Confirmation, Destruction};
pub use error::RolloutError;
pub use migrator::Migrator;
pub use neobank::schema;
pub use options::RolloutOptions;
pub use report::Report;
pub use rollout::{PlannedStep, Rollout, catalogue_within, status_within};
pub use schema::{Object, Schema, SqlMigration};
pub use status::{
    CatalogueStatus, MigrationState, MigrationStatus, ObjectState, ObjectStatus, Status, Verdict,
};
