//! Runs one step: as a transaction that waits for no lock for long, and more than once when it met one.

use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait,
};

use crate::error::{RolloutError, reason, sqlstate};
use crate::lock;
use crate::options::RolloutOptions;
use crate::plan::{Part, Step};
use crate::session::value;

/// Why an attempt failed.
enum Failure {
    Part { name: String, error: DbErr },
    Commit(DbErr),
    TransactionEnded,
    LockLost(RolloutError),
}

/// Runs a step to its end.
pub(crate) async fn run(
    on: &DatabaseConnection,
    options: &RolloutOptions,
    step: &Step,
) -> Result<(), RolloutError> {
    if !step.transactional {
        return statement_by_statement(on, options, step).await;
    }
    let attempts = options.lock_attempts.max(1);
    let mut pause = options.lock_pause;
    for attempt in 1..=attempts {
        match try_once(on, options, step).await {
            Ok(()) => return Ok(()),
            Err(failure) if failure.is_for_a_lock() => {
                tracing::info!("{} met a lock (attempt {attempt})", step.title);
            }
            Err(failure) => return Err(failure.of(step)),
        }
        if attempt < attempts {
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    }
    Err(RolloutError::Locked {
        step: step.title.clone(),
        attempts,
        lock_timeout: options.lock_timeout,
    })
}

async fn try_once(
    on: &DatabaseConnection,
    options: &RolloutOptions,
    step: &Step,
) -> Result<(), Failure> {
    let transaction = on
        .begin()
        .await
        .map_err(|error| Failure::part("BEGIN", error))?;
    match work(&transaction, options, step).await {
        Ok(()) => transaction.commit().await.map_err(Failure::Commit),
        Err(failure) => {
            if let Err(error) = transaction.rollback().await {
                tracing::debug!("the rollback after a failure failed: {error}");
            }
            Err(failure)
        }
    }
}

async fn work(
    transaction: &DatabaseTransaction,
    options: &RolloutOptions,
    step: &Step,
) -> Result<(), Failure> {
    // Within the transaction, since a pooler may give each transaction another session.
    lock::check(transaction).await.map_err(Failure::LockLost)?;
    send(transaction, "its limits", &options.limits()).await?;
    let began_as = transaction_id(transaction).await?;
    for Part { name, sql } in &step.parts {
        send(transaction, name, sql).await?;
        // Also what makes a failed transaction an error: the driver's commit would answer Ok.
        if transaction_id(transaction).await? != began_as {
            return Err(Failure::TransactionEnded);
        }
    }
    Ok(())
}

async fn statement_by_statement(
    on: &DatabaseConnection,
    options: &RolloutOptions,
    step: &Step,
) -> Result<(), RolloutError> {
    let failed = |name: &str, error: &DbErr| RolloutError::PartOfStep {
        step: step.title.clone(),
        reason: format!("{name}: {}", reason(error)),
    };
    on.execute_unprepared(&options.session_limits())
        .await
        .map_err(|error| failed("its limits", &error))?;
    for Part { name, sql } in &step.parts {
        lock::check(on).await?;
        on.execute_unprepared(sql)
            .await
            .map_err(|error| failed(name, &error))?;
    }
    Ok(())
}

async fn send(transaction: &DatabaseTransaction, name: &str, sql: &str) -> Result<(), Failure> {
    let sent = transaction.execute_unprepared(sql).await;
    sent.map(drop).map_err(|error| Failure::part(name, error))
}

async fn transaction_id(transaction: &DatabaseTransaction) -> Result<Option<String>, Failure> {
    let sql = "SELECT pg_catalog.pg_current_xact_id()::text";
    let id = value(transaction, sql, []).await;
    id.map_err(|error| Failure::part("the check of the transaction", error))
}

impl Failure {
    fn part(name: &str, error: DbErr) -> Self {
        Self::Part {
            name: name.to_owned(),
            error,
        }
    }

    /// A lock that was not granted in time, or a deadlock: the next attempt may pass.
    fn is_for_a_lock(&self) -> bool {
        let error = match self {
            Self::Part { error, .. } | Self::Commit(error) => error,
            Self::TransactionEnded | Self::LockLost(_) => return false,
        };
        matches!(sqlstate(error).as_deref(), Some("55P03" | "40P01"))
    }

    fn of(self, step: &Step) -> RolloutError {
        let title = step.title.clone();
        match self {
            Self::Part { name, error } => RolloutError::Step {
                step: title,
                reason: format!("{name}: {}", reason(&error)),
            },
            Self::Commit(error) if sqlstate(&error).is_none() => RolloutError::Unknown {
                step: title,
                reason: reason(&error),
            },
            Self::Commit(error) => RolloutError::Step {
                step: title,
                reason: reason(&error),
            },
            Self::TransactionEnded => RolloutError::TransactionEnded { step: title },
            Self::LockLost(error) => error,
        }
    }
}
