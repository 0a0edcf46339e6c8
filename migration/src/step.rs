//! The execution of one step: as a transaction with a short lock timeout, repeated when it met a
//! lock.

use neobank_db::DatabaseError;

use crate::error::{RolloutError, reason, sqlstate};
use crate::lock;
use crate::options::RolloutOptions;
use crate::plan::{BEGIN, Part, Step};
use crate::session::Session;

/// The reason why an attempt failed.
enum Failure {
    Part { name: String, error: DatabaseError },
    Commit(DatabaseError),
    TransactionEnded,
    LockLost(RolloutError),
}

/// Runs a step to its end.
pub(crate) async fn run(
    on: &Session,
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

async fn try_once(on: &Session, options: &RolloutOptions, step: &Step) -> Result<(), Failure> {
    on.batch(BEGIN)
        .await
        .map_err(|error| Failure::part("BEGIN", error))?;
    match work(on, options, step).await {
        Ok(()) => on.batch("COMMIT").await.map_err(Failure::Commit),
        Err(failure) => {
            if let Err(error) = on.batch("ROLLBACK").await {
                tracing::debug!("the rollback after a failure failed: {error}");
            }
            Err(failure)
        }
    }
}

async fn work(transaction: &Session, options: &RolloutOptions, step: &Step) -> Result<(), Failure> {
    // Checked within the transaction, since an undetected pooler may give each transaction another
    // session.
    lock::check(transaction).await.map_err(Failure::LockLost)?;
    send(transaction, "its limits", &options.limits()).await?;
    let began_as = transaction_id(transaction).await?;
    for Part { name, sql } in &step.parts {
        send(transaction, name, sql).await?;
        // This also turns a failed transaction into an error: its COMMIT would be a ROLLBACK
        // without an error.
        if transaction_id(transaction).await? != began_as {
            return Err(Failure::TransactionEnded);
        }
    }
    Ok(())
}

async fn statement_by_statement(
    on: &Session,
    options: &RolloutOptions,
    step: &Step,
) -> Result<(), RolloutError> {
    let failed = |name: &str, error: &DatabaseError| RolloutError::PartOfStep {
        step: step.title.clone(),
        reason: format!("{name}: {}", reason(error)),
    };
    on.batch(&options.session_limits())
        .await
        .map_err(|error| failed("its limits", &error))?;
    for Part { name, sql } in &step.parts {
        lock::check(on).await?;
        on.batch(sql).await.map_err(|error| failed(name, &error))?;
    }
    Ok(())
}

async fn send(transaction: &Session, name: &str, sql: &str) -> Result<(), Failure> {
    let sent = transaction.batch(sql).await;
    sent.map_err(|error| Failure::part(name, error))
}

async fn transaction_id(transaction: &Session) -> Result<String, Failure> {
    let sql = "SELECT pg_catalog.pg_current_xact_id()::text";
    let id = transaction.value(sql, []).await;
    id.map_err(|error| Failure::part("the check of the transaction", error))
}

impl Failure {
    fn part(name: &str, error: DatabaseError) -> Self {
        Self::Part {
            name: name.to_owned(),
            error,
        }
    }

    /// A lock timeout or a deadlock: the next attempt may succeed.
    fn is_for_a_lock(&self) -> bool {
        let error = match self {
            Self::Part { error, .. } | Self::Commit(error) => error,
            Self::TransactionEnded | Self::LockLost(_) => return false,
        };
        matches!(sqlstate(error), Some("55P03" | "40P01"))
    }

    fn of(self, step: &Step) -> RolloutError {
        let title = step.title.clone();
        match self {
            Self::Part { name, error } => RolloutError::Step {
                step: title,
                reason: format!("{name}: {}", reason(&error)),
            },
            Self::Commit(error @ DatabaseError::Server(_)) => RolloutError::Step {
                step: title,
                reason: reason(&error),
            },
            // Also when the server gave a reason for ending the session: the commit may have come
            // before.
            Self::Commit(error) => RolloutError::Unknown {
                step: title,
                reason: reason(&error),
            },
            Self::TransactionEnded => RolloutError::TransactionEnded { step: title },
            Self::LockLost(error) => error,
        }
    }
}
