//! The schemas `banking`, `pooling` and `concurrency`, and how they are rolled out.
//!
//! Two kinds of SQL make a [`Schema`]: [`SqlMigration`]s, each applied once and in order, and [`Object`]s (functions,
//! triggers, views, grants), each a file that is applied again whenever its content changes or it is gone. [`Rollout`]
//! brings a database there:
//!
//! * Two roll-outs at once are safe: the second waits for the first, then finds nothing to do.
//! * Each migration is a transaction of its own; what fails leaves nothing behind.
//! * No statement waits long for a lock: while it waits, every query behind it waits too. It gives up, lets the others
//!   pass, and tries again.
//! * What was applied is remembered with its SHA-256: a migration that was edited later is reported, and nothing is rolled
//!   out on top of it.
//! * What the server's catalogue says is compared with the [`Catalogue`] that was shipped: [`Status::violations`] names each
//!   object that is missing, changed or foreign.
//! * Nothing that another role made in the schemas is read or executed, and no row is destroyed before the database has
//!   been named.
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
