//! Checks: a registry of subjects, and a verdict on each.
//!
//! [`Subject`] lists everything that can be checked. [`Monitor::check`](crate::Monitor::check)
//! reads a subject and returns its [`Verdict`]: a [`Severity`], the [`Measurement`]s with their
//! [`Threshold`]s, a message, and advice. [`Thresholds`](crate::Thresholds) has every limit with
//! its default. Programs that also show the rows read [`Findings`] with
//! [`Monitor::findings`](crate::Monitor::findings), and judge them by [`Findings::verdict`].
//!
//! # Adding a subject
//!
//! 1. A line in the list of `subject.rs`: name, title, description.
//! 2. A file of that name here: its metrics, its findings, the queries for them, and the verdict, a
//!    pure function.
//! 3. A variant of [`Findings`]. The compiler reports each renderer that does not show it yet.

pub mod text;

pub(crate) mod thresholds;

mod bloat;
mod cache;
mod connections;
mod deadlocks;
mod findings;
mod health;
mod idle;
mod indexes;
mod locks;
mod measurement;
mod sealing;
mod sessions;
mod severity;
mod statements;
mod subject;
mod threshold;
mod transactions;
mod vacuum;
mod verdict;

pub use bloat::BloatFindings;
pub use cache::CacheFindings;
pub use connections::ConnectionFindings;
pub use deadlocks::DeadlockFindings;
pub use findings::{Findings, Scope};
pub use health::HealthFindings;
pub use idle::IdleFindings;
pub use indexes::IndexFindings;
pub use locks::LockFindings;
pub use measurement::{Measurement, Metric, Unit};
pub use sealing::SealingFindings;
pub use sessions::session_severity;
pub use severity::Severity;
pub use statements::StatementFindings;
pub use subject::Subject;
pub use threshold::{Threshold, ThresholdError};
pub use transactions::TransactionFindings;
pub use vacuum::VacuumFindings;
pub use verdict::{Gap, SectionVerdict, Verdict, severity, worst};

#[cfg(test)]
mod tests;
