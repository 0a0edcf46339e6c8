//! The commands of a rollout: up, down, fresh, status and plan.

use neobank_db::{DatabaseConfig, DatabaseError, Executor, Transaction};
use tokio::sync::{Mutex, MutexGuard};

use crate::catalogue::Catalogue;
use crate::confirmation::{Confirmation, Destruction};
use crate::error::RolloutError;
use crate::options::RolloutOptions;
use crate::plan::{self, Step};
use crate::records::{self, Records};
use crate::report::Report;
use crate::schema::Schema;
use crate::session::Session;
use crate::status::Status;
use crate::{data, lock, neobank, step, trust};

/// A rollout on one database, on one connection of its own.
#[derive(Debug)]
pub struct Rollout {
    session: Session,
    options: RolloutOptions,
    /// `true` after a confirmation that this database's rows may be destroyed.
    confirmed: bool,
    /// Serializes callers of one value, which share its session, so that the lock in the server
    /// would not separate them.
    turn: Mutex<()>,
}

/// One planned step of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedStep {
    /// The title.
    pub title: String,
    /// The SQL that would run: a transaction with its limits, or the statements of a migration that
    /// is none.
    pub sql: String,
}

/// Returns the applied and pending migrations of the bank's own schema, and its differences from
/// the shipped one, as a transaction sees them. Every role that may connect can call it, also
/// behind a pooler. It changes the transaction's `search_path` and the formats of dates and numbers
/// until the transaction ends.
///
/// # Errors
///
/// [`DatabaseError`].
pub async fn status_within(transaction: &Transaction) -> Result<Status, DatabaseError> {
    status_of(transaction, &neobank::schema()).await
}

async fn status_of(on: &impl Executor, schema: &Schema) -> Result<Status, DatabaseError> {
    let found = Catalogue::read(on, &schema.names).await?;
    let mut status = Status::new(schema, &records::read(on).await?);
    let shipped = schema.catalogue.map(str::parse);
    match shipped.transpose() {
        Ok(Some(shipped)) if status.is_comparable() => status.compare(&shipped, &found),
        Ok(_) => {}
        Err(reason) => return Err(DatabaseError::Row { reason }),
    }
    Ok(status)
}

/// Returns the catalogue of a rollout's schemas, as a transaction sees it; `cargo xtask generate`
/// writes it to a file.
///
/// # Errors
///
/// [`DatabaseError`].
pub async fn catalogue_within(
    transaction: &Transaction,
    schema: &Schema,
) -> Result<Catalogue, DatabaseError> {
    Catalogue::read(transaction, &schema.names).await
}

impl Rollout {
    /// Connects to a database by its URL, as [`DatabaseConfig::from_url`] reads it.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Url`], and as [`Rollout::connect_with`].
    pub async fn connect(url: &str, options: RolloutOptions) -> Result<Self, RolloutError> {
        let mut config = DatabaseConfig::from_url(url).map_err(|error| RolloutError::Url {
            reason: error.to_string(),
        })?;
        if config.application_name == "neobank" {
            "neobank migrate".clone_into(&mut config.application_name);
        }
        Self::connect_with(&config, options).await
    }

    /// Connects to a database. It uses the server, the database, the roles, TLS and the connect
    /// timeout of the configuration; the limits of the rollout are its own. A server behind a
    /// pooler is rejected.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Url`] for an invalid configuration, [`RolloutError::Connect`] with the
    /// network's or the server's reason, [`RolloutError::Pooler`].
    pub async fn connect_with(
        config: &DatabaseConfig,
        options: RolloutOptions,
    ) -> Result<Self, RolloutError> {
        Ok(Self {
            session: Session::open(config).await?,
            options,
            confirmed: false,
            turn: Mutex::new(()),
        })
    }

    /// Returns the database's name from the server.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.session.database
    }

    /// Allows [`Rollout::down`] and [`Rollout::fresh`] to destroy rows, when `name` is the
    /// database's name. Returns whether it is.
    pub fn confirm(&mut self, name: &str) -> bool {
        self.confirmed = name == self.session.database;
        self.confirmed
    }

    /// Returns the confirmation that a person must give before rows are destroyed; `None` where
    /// only tables that migrations filled have rows. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Database`], [`RolloutError::Untrusted`].
    pub async fn confirmation(
        &self,
        destruction: Destruction,
    ) -> Result<Option<Confirmation>, RolloutError> {
        let _turn = self.turn().await?;
        trust::check_changing(&self.session, &self.options.schema.names).await?;
        let table = data::table_with_rows(&self.session, &self.options).await?;
        let database = self.database().to_owned();
        Ok(table.map(|table| Confirmation::new(database, destruction, table)))
    }

    /// Returns warnings for a person before a rollout, one sentence each: that it runs as a
    /// superuser, and the other roles that have the privileges of the application, or can grant
    /// them to themselves.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Database`].
    pub async fn warnings(&self) -> Result<Vec<String>, RolloutError> {
        let _turn = self.turn().await?;
        trust::warnings(&self.session, &self.options.schema.names)
            .await
            .map_err(|error| RolloutError::database(&error))
    }

    /// Returns the applied and pending migrations, and the differences from the shipped schema. It
    /// changes nothing, and needs only the privilege to connect.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Database`].
    pub async fn status(&self) -> Result<Status, RolloutError> {
        let _turn = self.turn().await?;
        trust::check_reading(&self.session).await?;
        self.look().await
    }

    /// Returns the steps of [`Rollout::up`]. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Rollout::status`], and [`RolloutError::Inconsistent`].
    pub async fn plan(&self) -> Result<Vec<PlannedStep>, RolloutError> {
        let _turn = self.turn().await?;
        Ok(self.scripts(&self.steps_up().await?))
    }

    /// Returns the steps of [`Rollout::down`]. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Rollout::plan`].
    pub async fn plan_down(&self, steps: usize) -> Result<Vec<PlannedStep>, RolloutError> {
        let _turn = self.turn().await?;
        Ok(self.scripts(&self.steps_down(steps).await?))
    }

    /// Applies every pending migration, each as a transaction, then everything else that is due in
    /// one.
    ///
    /// # Errors
    ///
    /// [`RolloutError`]; the steps before the failed one stay.
    pub async fn up(&self) -> Result<Report, RolloutError> {
        let _turn = self.lock().await?;
        let outcome = self.up_locked().await;
        lock::release(&self.session).await;
        outcome
    }

    /// Reverts the last `steps` migrations, each as a transaction with the objects that depend on
    /// it. **Their data is lost**, so a database with rows needs [`Rollout::confirm`] first.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Unconfirmed`], [`RolloutError`]; the steps before the failed one stay.
    pub async fn down(&self, steps: usize) -> Result<Report, RolloutError> {
        let _turn = self.lock().await?;
        let outcome = self.down_locked(steps).await;
        lock::release(&self.session).await;
        outcome
    }

    /// Drops the schemas with everything in them, and applies all migrations. **All data is lost**,
    /// so a database with rows needs [`Rollout::confirm`] first.
    ///
    /// # Errors
    ///
    /// [`RolloutError`].
    pub async fn fresh(&self) -> Result<Report, RolloutError> {
        let _turn = self.lock().await?;
        let outcome = self.start_anew().await;
        lock::release(&self.session).await;
        outcome
    }

    /// Reads the records and the catalogue in one transaction.
    async fn look(&self) -> Result<Status, RolloutError> {
        let found = self.compared().await;
        // Ends the transaction, also after an error.
        let ended = self.session.batch("ROLLBACK").await;
        let status = found.map_err(|error| RolloutError::database(&error))?;
        ended.map_err(|error| RolloutError::database(&error))?;
        Ok(status)
    }

    async fn compared(&self) -> Result<Status, DatabaseError> {
        const BEGIN: &str = "BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ";
        self.session.batch(BEGIN).await?;
        status_of(self.session.executor(), &self.options.schema).await
    }

    async fn up_locked(&self) -> Result<Report, RolloutError> {
        self.run(&self.steps_up().await?).await
    }

    async fn down_locked(&self, steps: usize) -> Result<Report, RolloutError> {
        let steps = self.steps_down(steps).await?;
        self.check_destruction().await?;
        self.run(&steps).await
    }

    async fn start_anew(&self) -> Result<Report, RolloutError> {
        trust::check_changing(&self.session, &self.options.schema.names).await?;
        self.check_destruction().await?;
        self.run(&[plan::drop_everything(&self.options.schema)])
            .await?;
        self.up_locked().await
    }

    async fn run(&self, steps: &[Step]) -> Result<Report, RolloutError> {
        let mut report = Report::default();
        if !steps.is_empty() {
            self.check_writing().await?;
        }
        for step in steps {
            step::run(&self.session, &self.options, step).await?;
            report.add(step.report.clone());
        }
        Ok(report)
    }

    /// Rejects a standby before the rollout sends any statement that it would reject.
    async fn check_writing(&self) -> Result<(), RolloutError> {
        let standby = self
            .session
            .value("SELECT pg_catalog.pg_is_in_recovery()", []);
        match standby.await {
            Ok(false) => Ok(()),
            Ok(true) => Err(RolloutError::Standby),
            Err(error) => Err(RolloutError::database(&error)),
        }
    }

    async fn steps_up(&self) -> Result<Vec<Step>, RolloutError> {
        trust::check_changing(&self.session, &self.options.schema.names).await?;
        let records = self.records().await?;
        self.consistent(&records)?;
        // Objects that were altered in the database are due again.
        let status = self.look().await?;
        Ok(plan::up(&self.options.schema, &records, &status))
    }

    async fn steps_down(&self, steps: usize) -> Result<Vec<Step>, RolloutError> {
        trust::check_changing(&self.session, &self.options.schema.names).await?;
        let records = self.records().await?;
        let status = self.consistent(&records)?;
        Ok(plan::down(&self.options.schema, &records, &status, steps))
    }

    fn scripts(&self, steps: &[Step]) -> Vec<PlannedStep> {
        let script = |step: &Step| PlannedStep {
            title: step.title.clone(),
            sql: step.script(&self.options),
        };
        steps.iter().map(script).collect()
    }

    async fn records(&self) -> Result<Records, RolloutError> {
        records::read(self.session.executor())
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
        let turn = self.turn().await?;
        lock::acquire(&self.session, self.options.rollout_wait).await?;
        Ok(turn)
    }

    /// Takes this value's lock, and ends a transaction that a dropped call left open in the
    /// session.
    async fn turn(&self) -> Result<MutexGuard<'_, ()>, RolloutError> {
        let turn = self.turn.lock().await;
        self.session
            .batch("ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_all()")
            .await
            .map_err(|error| RolloutError::database(&error))?;
        Ok(turn)
    }

    /// Rejects the destruction of rows without a confirmation, under the lock of the rollout.
    async fn check_destruction(&self) -> Result<(), RolloutError> {
        if self.confirmed {
            return Ok(());
        }
        match data::table_with_rows(&self.session, &self.options).await? {
            None => Ok(()),
            Some(table) => Err(RolloutError::Unconfirmed {
                database: self.database().to_owned(),
                table,
            }),
        }
    }
}
