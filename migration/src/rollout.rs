//! Up, down, fresh, status and plan.

use sea_orm_migration::sea_orm::DatabaseConnection;
use tokio::sync::{Mutex, MutexGuard};

use crate::error::RolloutError;
use crate::options::RolloutOptions;
use crate::plan::{self, Step};
use crate::records::{self, Records};
use crate::report::Report;
use crate::session::Target;
use crate::status::Status;
use crate::{lock, step};

/// A roll-out on one database, on one connection of its own.
#[derive(Debug)]
pub struct Rollout {
    connection: DatabaseConnection,
    target: Target,
    options: RolloutOptions,
    /// Two callers of one value share its session, so the lock in the server would not keep them apart.
    turn: Mutex<()>,
}

/// One step that a roll-out would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// What it is.
    pub title: String,
    /// The SQL that would run, a script: a transaction with its limits, or the statements of a migration that is none.
    pub sql: String,
}

impl Rollout {
    /// Connects to a database. The URL must lead to the server itself: behind a transaction pooler the lock of a roll-out
    /// is worth nothing, and nothing is done. To another machine the connection is encrypted and the server's
    /// certificate verified, unless the URL's `sslmode` says something else.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Url`]; [`RolloutError::Connect`], after at most 10 s.
    pub async fn connect(url: &str, options: RolloutOptions) -> Result<Self, RolloutError> {
        let target = Target::new(url)?;
        Ok(Self {
            connection: target.connect().await?,
            target,
            options,
            turn: Mutex::new(()),
        })
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.target.database
    }

    /// Whether the database is on this machine: reached by a Unix socket or a loopback address.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.target.is_local
    }

    /// How far the database is. Changes nothing, and needs no rights but to connect.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Database`].
    pub async fn status(&self) -> Result<Status, RolloutError> {
        Ok(Status::new(&self.options.schema, &self.records().await?))
    }

    /// What [`Rollout::up`] would run. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Rollout::status`], and [`RolloutError::Inconsistent`].
    pub async fn plan(&self) -> Result<Vec<PlannedStep>, RolloutError> {
        Ok(self.scripts(&self.steps_up().await?))
    }

    /// What [`Rollout::down`] would run. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Rollout::plan`].
    pub async fn plan_down(&self, steps: usize) -> Result<Vec<PlannedStep>, RolloutError> {
        Ok(self.scripts(&self.steps_down(steps).await?))
    }

    /// Applies every pending migration, each as a transaction, then everything else that is due in one.
    ///
    /// # Errors
    ///
    /// [`RolloutError`]; the steps before the one that failed stay.
    pub async fn up(&self) -> Result<Report, RolloutError> {
        let _turn = self.lock().await?;
        let outcome = self.climb().await;
        lock::release(&self.connection).await;
        outcome
    }

    /// Takes the last `steps` migrations back, each as a transaction with the objects that stand on it. **Their data is
    /// lost.**
    ///
    /// # Errors
    ///
    /// [`RolloutError`]; the steps before the one that failed stay.
    pub async fn down(&self, steps: usize) -> Result<Report, RolloutError> {
        let _turn = self.lock().await?;
        let outcome = self.descend(steps).await;
        lock::release(&self.connection).await;
        outcome
    }

    /// Drops the schemas with everything in them, and rolls out anew. **All data is lost.**
    ///
    /// # Errors
    ///
    /// [`RolloutError`].
    pub async fn fresh(&self) -> Result<Report, RolloutError> {
        let _turn = self.lock().await?;
        let outcome = self.start_anew().await;
        lock::release(&self.connection).await;
        outcome
    }

    async fn climb(&self) -> Result<Report, RolloutError> {
        self.run(&self.steps_up().await?).await
    }

    async fn descend(&self, steps: usize) -> Result<Report, RolloutError> {
        self.run(&self.steps_down(steps).await?).await
    }

    async fn start_anew(&self) -> Result<Report, RolloutError> {
        self.run(&[plan::drop_everything(&self.options.schema)])
            .await?;
        self.climb().await
    }

    async fn run(&self, steps: &[Step]) -> Result<Report, RolloutError> {
        let mut report = Report::default();
        for step in steps {
            step::run(&self.connection, &self.options, step).await?;
            report.add(step.report.clone());
        }
        Ok(report)
    }

    async fn steps_up(&self) -> Result<Vec<Step>, RolloutError> {
        let records = self.records().await?;
        let status = self.consistent(&records)?;
        Ok(plan::up(&self.options.schema, &records, &status))
    }

    async fn steps_down(&self, steps: usize) -> Result<Vec<Step>, RolloutError> {
        let records = self.records().await?;
        let status = self.consistent(&records)?;
        Ok(plan::down(&self.options.schema, &records, &status, steps))
    }

    fn scripts(&self, steps: &[Step]) -> Vec<PlannedStep> {
        let limits = self.options.limits();
        let script = |step: &Step| PlannedStep {
            title: step.title.clone(),
            sql: step.script(&limits),
        };
        steps.iter().map(script).collect()
    }

    async fn records(&self) -> Result<Records, RolloutError> {
        records::read(&self.connection)
            .await
            .map_err(|error| RolloutError::database(&error))
    }

    fn consistent(&self, records: &Records) -> Result<Status, RolloutError> {
        let status = Status::new(&self.options.schema, records);
        let problems = status.problems();
        if problems.is_empty() {
            Ok(status)
        } else {
            Err(RolloutError::Inconsistent { problems })
        }
    }

    async fn lock(&self) -> Result<MutexGuard<'_, ()>, RolloutError> {
        let turn = self.turn.lock().await;
        lock::acquire(&self.connection, self.options.patience).await?;
        Ok(turn)
    }
}
