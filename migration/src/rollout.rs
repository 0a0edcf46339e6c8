//! Up, down, fresh, status and plan.

use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait,
};
use sea_orm_migration::{MigrationTrait, SchemaManager};

use crate::error::{RolloutError, reason, sqlstate};
use crate::lock;
use crate::records::{self, Records};
use crate::schema::{Object, Schema, SqlMigration};
use crate::session::Target;
use crate::status::{MigrationState, ObjectState, Status};

/// How patient a roll-out is.
#[derive(Clone, Debug)]
pub struct RolloutOptions {
    /// What to roll out.
    pub schema: Schema,
    /// How long a statement waits for a lock. While it waits, every query behind it waits too, so this is how long the
    /// bank may stand still.
    pub lock_timeout: Duration,
    /// How often a step that met a locked table is tried.
    pub lock_attempts: u32,
    /// The pause after the first attempt; it doubles after each.
    pub lock_pause: Duration,
    /// How long a statement may run; without, as the server's settings say.
    pub statement_timeout: Option<Duration>,
    /// How long another roll-out is waited for.
    pub patience: Duration,
}

/// A roll-out on one database.
#[derive(Debug)]
pub struct Rollout {
    connection: DatabaseConnection,
    target: Target,
    options: RolloutOptions,
}

/// What a roll-out did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The migrations that went up, or down, in the order in which they did.
    pub migrations: Vec<String>,
    /// The objects that were applied.
    pub objects: Vec<String>,
    /// The objects that were dropped.
    pub dropped: Vec<String>,
}

/// One step that a roll-out would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// What it is.
    pub title: String,
    /// The SQL that would run.
    pub sql: String,
}

/// What one step does in its transaction; a value, because a step that met a lock is run again.
enum Work<'a> {
    Up(&'a SqlMigration),
    Down {
        migration: &'a SqlMigration,
        objects: Vec<&'a Object>,
    },
    Objects {
        dropped: Vec<(String, String)>,
        applied: Vec<&'a Object>,
    },
    DropEverything(String),
}

impl Default for RolloutOptions {
    fn default() -> Self {
        Self {
            schema: crate::schema(),
            lock_timeout: Duration::from_secs(2),
            lock_attempts: 6,
            lock_pause: Duration::from_millis(500),
            statement_timeout: None,
            patience: Duration::from_secs(300),
        }
    }
}

impl Rollout {
    /// Connects to a database.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Url`], [`RolloutError::Connect`].
    pub async fn connect(url: &str, options: RolloutOptions) -> Result<Self, RolloutError> {
        let target = Target::new(url)?;
        Ok(Self {
            connection: target.connect().await?,
            target,
            options,
        })
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.target.database
    }

    /// Whether the database is on this machine.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.target.is_local
    }

    /// How far the database is. Changes nothing, and needs no rights but to read.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Database`].
    pub async fn status(&self) -> Result<Status, RolloutError> {
        Ok(Status::new(&self.options.schema, &self.records().await?))
    }

    /// Applies every pending migration and every changed object.
    ///
    /// # Errors
    ///
    /// [`RolloutError`]; the steps before the one that failed stay.
    pub async fn up(&self) -> Result<Report, RolloutError> {
        self.lock().await?;
        self.unlock(self.climb().await).await
    }

    /// Takes the last `steps` migrations back, with the objects that stand on them.
    ///
    /// # Errors
    ///
    /// [`RolloutError`]; the steps before the one that failed stay.
    pub async fn down(&self, steps: usize) -> Result<Report, RolloutError> {
        self.lock().await?;
        self.unlock(self.descend(steps).await).await
    }

    /// Drops the schemas with everything in them, and rolls out anew. **All data is lost.**
    ///
    /// # Errors
    ///
    /// [`RolloutError`].
    pub async fn fresh(&self) -> Result<Report, RolloutError> {
        self.lock().await?;
        self.unlock(self.start_anew().await).await
    }

    /// What [`Rollout::up`] would do. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Rollout::status`], and [`RolloutError::Inconsistent`].
    pub async fn plan(&self) -> Result<Vec<PlannedStep>, RolloutError> {
        let (records, status) = (self.records().await?, self.consistent().await?);
        let mut steps: Vec<_> = self
            .pending(&status)
            .into_iter()
            .map(|migration| PlannedStep {
                title: title(migration),
                sql: migration.up.to_owned(),
            })
            .collect();
        for (name, sql) in self.to_drop(&records, &status) {
            steps.push(PlannedStep {
                title: format!("drop object {name}"),
                sql,
            });
        }
        for object in self.to_apply(&status) {
            steps.push(PlannedStep {
                title: format!("object {}", object.name),
                sql: object.create.to_owned(),
            });
        }
        Ok(steps)
    }

    /// What [`Rollout::down`] would do. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Rollout::plan`].
    pub async fn plan_down(&self, steps: usize) -> Result<Vec<PlannedStep>, RolloutError> {
        let status = self.consistent().await?;
        let mut planned = Vec::new();
        for migration in self.applied(&status).into_iter().rev().take(steps) {
            for object in self.standing_on(migration, &status) {
                planned.push(PlannedStep {
                    title: format!("drop object {}", object.name),
                    sql: format!("{};", object.drop),
                });
            }
            planned.push(PlannedStep {
                title: title(migration),
                sql: migration.down.to_owned(),
            });
        }
        Ok(planned)
    }

    async fn climb(&self) -> Result<Report, RolloutError> {
        records::install(&self.connection)
            .await
            .map_err(|error| RolloutError::database(&error))?;
        let status = self.consistent().await?;
        let mut report = Report::default();
        for migration in self.pending(&status) {
            self.ascend(migration).await?;
            report.migrations.push(migration.name.to_owned());
        }
        let (records, status) = (self.records().await?, self.status().await?);
        let (dropped, applied) = (self.to_drop(&records, &status), self.to_apply(&status));
        if dropped.is_empty() && applied.is_empty() {
            return Ok(report);
        }
        report.dropped = dropped.iter().map(|(name, _)| name.clone()).collect();
        report.objects = applied
            .iter()
            .map(|object| object.name.to_owned())
            .collect();
        self.step(
            "the functions, triggers and grants",
            &Work::Objects { dropped, applied },
        )
        .await?;
        Ok(report)
    }

    async fn ascend(&self, migration: &SqlMigration) -> Result<(), RolloutError> {
        if migration.transactional {
            return self.step(&title(migration), &Work::Up(migration)).await;
        }
        lock::check(&self.connection).await?;
        let failed = |error: DbErr| RolloutError::Step {
            step: title(migration),
            reason: reason(&error),
        };
        migration
            .up(&SchemaManager::new(&self.connection))
            .await
            .map_err(failed)?;
        records::add_migration(&self.connection, migration)
            .await
            .map_err(failed)
    }

    async fn descend(&self, steps: usize) -> Result<Report, RolloutError> {
        let status = self.consistent().await?;
        let mut report = Report::default();
        for migration in self.applied(&status).into_iter().rev().take(steps) {
            let objects = self.standing_on(migration, &self.status().await?);
            report
                .dropped
                .extend(objects.iter().map(|object| object.name.to_owned()));
            report.migrations.push(migration.name.to_owned());
            self.step(&title(migration), &Work::Down { migration, objects })
                .await?;
        }
        Ok(report)
    }

    async fn start_anew(&self) -> Result<Report, RolloutError> {
        self.step(
            "dropping the schemas",
            &Work::DropEverything(self.drop_everything()),
        )
        .await?;
        self.climb().await
    }

    /// Runs one step as a transaction; when it meets a locked table, lets the others pass and tries again.
    async fn step(&self, name: &str, work: &Work<'_>) -> Result<(), RolloutError> {
        let mut pause = self.options.lock_pause;
        for attempt in 1..=self.options.lock_attempts.max(1) {
            lock::check(&self.connection).await?;
            match self.attempt(work).await {
                Ok(()) => return Ok(()),
                Err(error) if sqlstate(&error).as_deref() == Some("55P03") => {
                    tracing::info!("{name} met a locked table (attempt {attempt})");
                }
                Err(error) => {
                    return Err(RolloutError::Step {
                        step: name.to_owned(),
                        reason: reason(&error),
                    });
                }
            }
            if attempt < self.options.lock_attempts {
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2);
            }
        }
        Err(RolloutError::Locked {
            step: name.to_owned(),
            attempts: self.options.lock_attempts.max(1),
            lock_timeout: self.options.lock_timeout,
        })
    }

    async fn attempt(&self, work: &Work<'_>) -> Result<(), DbErr> {
        let transaction = self.connection.begin().await?;
        let worked = async {
            transaction.execute_unprepared(&self.limits()).await?;
            work.run(&transaction).await?;
            // The driver's commit answers Ok for a transaction that the server rolls back; this statement would not.
            transaction.execute_unprepared("SELECT").await.map(drop)
        }
        .await;
        match worked {
            Ok(()) => transaction.commit().await,
            Err(error) => {
                if let Err(rollback) = transaction.rollback().await {
                    tracing::debug!("the rollback after an error failed: {rollback}");
                }
                Err(error)
            }
        }
    }

    /// A fixed search path, so that nothing is made in or found in a schema by chance.
    fn limits(&self) -> String {
        let mut sql = format!(
            "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL lock_timeout = {};",
            self.options
                .lock_timeout
                .as_millis()
                .clamp(1, 2_147_483_647)
        );
        if let Some(limit) = self.options.statement_timeout {
            let milliseconds = limit.as_millis().clamp(1, 2_147_483_647);
            sql.push_str(&format!("SET LOCAL statement_timeout = {milliseconds};"));
        }
        sql
    }

    async fn lock(&self) -> Result<(), RolloutError> {
        lock::acquire(&self.connection, self.options.patience).await
    }

    async fn unlock<T>(&self, outcome: Result<T, RolloutError>) -> Result<T, RolloutError> {
        lock::release(&self.connection).await;
        outcome
    }

    async fn records(&self) -> Result<Records, RolloutError> {
        records::read(&self.connection)
            .await
            .map_err(|error| RolloutError::database(&error))
    }

    async fn consistent(&self) -> Result<Status, RolloutError> {
        let status = self.status().await?;
        let problems = status.problems();
        if problems.is_empty() {
            Ok(status)
        } else {
            Err(RolloutError::Inconsistent { problems })
        }
    }

    fn pending(&self, status: &Status) -> Vec<&SqlMigration> {
        self.with_state(status, MigrationState::Pending)
    }

    fn applied(&self, status: &Status) -> Vec<&SqlMigration> {
        self.with_state(status, MigrationState::Applied)
    }

    fn with_state(&self, status: &Status, state: MigrationState) -> Vec<&SqlMigration> {
        let states = status.migrations.iter().map(|migration| migration.state);
        self.options
            .schema
            .migrations
            .iter()
            .zip(states)
            .filter(|(_, s)| *s == state)
            .map(|(m, _)| m)
            .collect()
    }

    fn to_apply(&self, status: &Status) -> Vec<&Object> {
        let states = status.objects.iter().map(|object| object.state);
        let is_due = |state| matches!(state, ObjectState::Pending | ObjectState::Changed);
        self.options
            .schema
            .objects
            .iter()
            .zip(states)
            .filter(|(_, s)| is_due(*s))
            .map(|(o, _)| o)
            .collect()
    }

    fn to_drop(&self, records: &Records, status: &Status) -> Vec<(String, String)> {
        let is_removed = |name: &str| {
            status
                .objects
                .iter()
                .any(|object| object.name == name && object.state == ObjectState::Removed)
        };
        records
            .objects
            .iter()
            .filter(|record| is_removed(&record.name))
            .filter_map(|record| {
                Some((
                    record.name.clone(),
                    format!("{};", record.drop_sql.clone()?),
                ))
            })
            .collect()
    }

    /// The objects that need this migration or a later one, those that need others first.
    fn standing_on(&self, migration: &SqlMigration, status: &Status) -> Vec<&Object> {
        let states = status.objects.iter().map(|object| object.state);
        let mut objects: Vec<_> = self
            .options
            .schema
            .objects
            .iter()
            .zip(states)
            .filter(|(object, state)| {
                object.since >= migration.name && *state != ObjectState::Pending
            })
            .map(|(object, _)| object)
            .collect();
        objects.reverse();
        objects
    }

    fn drop_everything(&self) -> String {
        let schemas = self
            .options
            .schema
            .names
            .iter()
            .copied()
            .chain(["migration"]);
        schemas
            .map(|name| {
                format!(
                    "DROP SCHEMA IF EXISTS \"{}\" CASCADE;",
                    name.replace('"', "\"\"")
                )
            })
            .collect()
    }
}

impl Work<'_> {
    async fn run(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        match self {
            Self::Up(migration) => {
                migration.up(&SchemaManager::new(transaction)).await?;
                records::add_migration(transaction, migration).await
            }
            Self::Down { migration, objects } => {
                for object in objects {
                    transaction.execute_unprepared(object.drop).await?;
                    records::remove_object(transaction, object.name).await?;
                }
                migration.down(&SchemaManager::new(transaction)).await?;
                records::remove_migration(transaction, migration.name).await
            }
            Self::Objects { dropped, applied } => {
                for (name, sql) in dropped {
                    transaction.execute_unprepared(sql).await?;
                    records::remove_object(transaction, name).await?;
                }
                for object in applied {
                    transaction
                        .execute_unprepared(object.create)
                        .await
                        .map_err(|error| named(object.name, error))?;
                    records::put_object(transaction, object).await?;
                }
                Ok(())
            }
            Self::DropEverything(sql) => transaction.execute_unprepared(sql).await.map(drop),
        }
    }
}

fn title(migration: &SqlMigration) -> String {
    format!("migration {}", migration.name)
}

fn named(name: &str, error: DbErr) -> DbErr {
    // A lock that was not granted must stay recognisable, so that the step is tried again.
    if sqlstate(&error).as_deref() == Some("55P03") {
        error
    } else {
        DbErr::Migration(format!("{name}: {}", reason(&error)))
    }
}
