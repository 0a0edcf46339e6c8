//! The findings of each subject, and the queries that read them.

use serde::Serialize;

use super::bloat::BloatFindings;
use super::cache::CacheFindings;
use super::connections::ConnectionFindings;
use super::deadlocks::DeadlockFindings;
use super::health::HealthFindings;
use super::idle::IdleFindings;
use super::indexes::IndexFindings;
use super::locks::LockFindings;
use super::sealing::SealingFindings;
use super::statements::StatementFindings;
use super::transactions::TransactionFindings;
use super::vacuum::VacuumFindings;
use super::{Subject, Verdict};
use crate::checks::thresholds::Thresholds;
use crate::error::OpsError;
use crate::monitor::Monitor;

/// All results that a check of a subject has read at one moment. Its JSON is that of the command
/// line's contract.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Findings {
    /// The findings of [`Subject::Connections`].
    Connections(ConnectionFindings),
    /// The findings of [`Subject::Idle`].
    Idle(IdleFindings),
    /// The findings of [`Subject::Locks`].
    Locks(LockFindings),
    /// The findings of [`Subject::Deadlocks`].
    Deadlocks(DeadlockFindings),
    /// The findings of [`Subject::Health`].
    Health(HealthFindings),
    /// The findings of [`Subject::Transactions`].
    Transactions(TransactionFindings),
    /// The findings of [`Subject::Statements`].
    Statements(StatementFindings),
    /// The findings of [`Subject::Cache`].
    Cache(CacheFindings),
    /// The findings of [`Subject::Bloat`].
    Bloat(BloatFindings),
    /// The findings of [`Subject::Indexes`].
    Indexes(IndexFindings),
    /// The findings of [`Subject::Vacuum`].
    Vacuum(VacuumFindings),
    /// The findings of [`Subject::Sealing`].
    Sealing(SealingFindings),
}

/// The scope of a check; it covers everything by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scope {
    /// The schemas whose tables and indexes are checked; without schemas, all but the system's.
    pub schemas: Option<Vec<String>>,
    /// The sections of [`Subject::Health`] to skip.
    pub skipped_sections: Vec<String>,
}

impl Scope {
    /// Returns the same scope with only these schemas.
    #[must_use]
    pub fn with_schemas(mut self, schemas: impl IntoIterator<Item = String>) -> Self {
        self.schemas = Some(schemas.into_iter().collect());
        self
    }

    /// Returns the same scope without these sections.
    #[must_use]
    pub fn without_sections(mut self, sections: impl IntoIterator<Item = String>) -> Self {
        self.skipped_sections.extend(sections);
        self
    }

    pub(super) fn skips(&self, section: &str) -> bool {
        self.skipped_sections.iter().any(|one| one == section)
    }
}

impl Findings {
    /// Returns the subject.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        match self {
            Self::Connections(_) => Subject::Connections,
            Self::Idle(_) => Subject::Idle,
            Self::Locks(_) => Subject::Locks,
            Self::Deadlocks(_) => Subject::Deadlocks,
            Self::Health(_) => Subject::Health,
            Self::Transactions(_) => Subject::Transactions,
            Self::Statements(_) => Subject::Statements,
            Self::Cache(_) => Subject::Cache,
            Self::Bloat(_) => Subject::Bloat,
            Self::Indexes(_) => Subject::Indexes,
            Self::Vacuum(_) => Subject::Vacuum,
            Self::Sealing(_) => Subject::Sealing,
        }
    }

    /// Judges the findings by these thresholds, which should be those that the findings were read
    /// with.
    #[must_use]
    pub fn verdict(&self, thresholds: &Thresholds) -> Verdict {
        let sections = match self {
            Self::Connections(found) => found.sections(thresholds),
            Self::Idle(found) => found.sections(thresholds),
            Self::Locks(found) => found.sections(thresholds),
            Self::Deadlocks(found) => found.sections(thresholds),
            Self::Health(found) => found.sections(),
            Self::Transactions(found) => found.sections(thresholds),
            Self::Statements(found) => found.sections(thresholds),
            Self::Cache(found) => found.sections(thresholds),
            Self::Bloat(found) => found.sections(thresholds),
            Self::Indexes(found) => found.sections(),
            Self::Vacuum(found) => found.sections(thresholds),
            Self::Sealing(found) => found.sections(thresholds),
        };
        Verdict::new(self.subject(), sections)
    }
}

impl Monitor {
    /// Reads and judges one subject.
    ///
    /// A query without a required privilege makes the verdict
    /// [`Unknown`](super::Severity::Unknown), and is no error.
    ///
    /// # Errors
    ///
    /// [`OpsError::Invalid`] for thresholds out of their range, [`OpsError::Database`] where the
    /// connection fails.
    ///
    /// # Example
    ///
    /// ```
    /// # use neobank_db::DatabaseConfig;
    /// # use neobank_ops::{Monitor, MonitorLimits, Thresholds};
    /// use neobank_ops::checks::{Severity, Subject};
    ///
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let monitor = Monitor::connect(DatabaseConfig::from_url(server.url())?, MonitorLimits::default()).await?;
    /// let mut thresholds = Thresholds::default();
    /// let verdict = monitor.check(Subject::Idle, &thresholds).await?;
    /// assert_eq!(verdict.severity, Severity::Ok);
    ///
    /// // Alerts at any age, also where no transaction is open.
    /// thresholds.transactions.idle_warning_seconds = 0;
    /// thresholds.transactions.idle_critical_seconds = 0;
    /// let verdict = monitor.check(Subject::Idle, &thresholds).await?;
    /// assert_eq!(verdict.severity, Severity::Critical);
    /// let longest = verdict.worst().unwrap();
    /// assert_eq!(longest.metric.name, "longest_in_transaction");
    /// assert_eq!(longest.threshold().unwrap().to_string(), "@0:");
    /// assert!(verdict.advice.unwrap().starts_with("End the transactions"));
    /// # Ok::<(), neobank_ops::OpsError>(())
    /// # }).unwrap();
    /// ```
    pub async fn check(
        &self,
        subject: Subject,
        thresholds: &Thresholds,
    ) -> Result<Verdict, OpsError> {
        let findings = self
            .findings(subject, thresholds, &Scope::default())
            .await?;
        Ok(findings.verdict(thresholds))
    }

    /// Reads and judges every subject, in the order of [`Subject::ALL`].
    ///
    /// # Errors
    ///
    /// As [`Monitor::check`].
    pub async fn check_all(&self, thresholds: &Thresholds) -> Result<Vec<Verdict>, OpsError> {
        let mut verdicts = Vec::new();
        for subject in Subject::ALL {
            verdicts.push(self.check(subject, thresholds).await?);
        }
        Ok(verdicts)
    }

    /// Reads the findings behind a verdict, for programs that also show the rows.
    ///
    /// # Errors
    ///
    /// As [`Monitor::check`].
    pub async fn findings(
        &self,
        subject: Subject,
        thresholds: &Thresholds,
        scope: &Scope,
    ) -> Result<Findings, OpsError> {
        thresholds.check()?;
        let schemas = scope.schemas.as_deref();
        Ok(match subject {
            Subject::Connections => Findings::Connections(ConnectionFindings::read(self).await?),
            Subject::Idle => Findings::Idle(IdleFindings::read(self, thresholds).await?),
            Subject::Locks => Findings::Locks(LockFindings::read(self).await?),
            Subject::Deadlocks => {
                Findings::Deadlocks(DeadlockFindings::read(self, thresholds).await?)
            }
            Subject::Health => {
                Findings::Health(HealthFindings::read(self, thresholds, scope).await?)
            }
            Subject::Transactions => {
                Findings::Transactions(TransactionFindings::read(self, thresholds).await?)
            }
            Subject::Statements => {
                Findings::Statements(StatementFindings::read(self, thresholds).await?)
            }
            Subject::Cache => Findings::Cache(CacheFindings::read(self).await?),
            Subject::Bloat => Findings::Bloat(BloatFindings::read(self, schemas).await?),
            Subject::Indexes => Findings::Indexes(IndexFindings::read(self, schemas).await?),
            Subject::Vacuum => Findings::Vacuum(VacuumFindings::read(self).await?),
            Subject::Sealing => Findings::Sealing(SealingFindings::read(self).await?),
        })
    }
}
