//! Transaction locks: locks until the end of a transaction.

use std::time::{Duration, Instant};

use neobank_entity::functions::concurrency::TakeLocks;

use super::answer::{self, Granted};
use super::error::LockError;
use super::name::LockName;
use super::token::FencingToken;
use crate::error::DatabaseError;
use crate::executor::Executor;
use crate::transaction::Transaction;

/// The locks of one call of [`lock`]. A receipt only: the locks end with the transaction, or when a
/// savepoint from before them is rolled back.
#[derive(Clone, Debug)]
pub struct TransactionLocks(Granted);

impl TransactionLocks {
    /// Returns the names in the order in which they were locked, without duplicates.
    pub fn names(&self) -> impl Iterator<Item = &LockName> {
        self.0.names()
    }

    /// Returns the fencing token of a name; `None` for a name outside of the set.
    ///
    /// The token is valid once the transaction has committed: the token of a rolled-back
    /// transaction is issued again.
    #[must_use]
    pub fn fencing_token(&self, name: &LockName) -> Option<FencingToken> {
        self.0.fencing_token(name)
    }
}

/// Locks all these names until the transaction ends, or none of them. Waits for at most `timeout`
/// for all together, in one round trip.
///
/// The names are locked in the order of their keys, without duplicates; a lock that the transaction
/// already holds is granted again. The transaction's `lock_timeout` is unchanged afterwards. When
/// the caller drops the future, the transaction keeps none of these locks and continues, after the
/// wait that is still running in the server.
///
/// The transaction must be `READ WRITE`, because each acquisition is counted. It should be `READ
/// COMMITTED`: stricter levels read the state before the wait, so a lock that was waited for fails
/// with a serialization failure and the transaction must be retried.
///
/// # Errors
///
/// [`LockError`]. After [`LockError::Database`] of the class
/// [`StatementCancelled`](crate::ErrorClass::StatementCancelled) or
/// [`Deadlock`](crate::ErrorClass::Deadlock) too, the transaction continues as if this call had not
/// been made.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use neobank_db::{Database, DatabaseConfig, locks};
/// use neobank_db::locks::{LockError, LockName};
///
/// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
/// # let runtime = tokio::runtime::Runtime::new().unwrap();
/// # runtime.block_on(async {
/// # let rollout = neobank_migration::Rollout::connect(server.url(), Default::default());
/// # rollout.await.unwrap().up().await.unwrap();
/// let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
/// let names = [LockName::new("branch", "Praha 1")?, LockName::new("branch", "Brno 2")?];
/// let mut first = database.begin().await?;
/// locks::lock(&mut first, &names, Duration::from_secs(3)).await?;
///
/// let mut second = database.begin().await?;
/// let rejected = locks::lock(&mut second, &names[1..], Duration::from_millis(20)).await;
/// assert!(matches!(rejected, Err(LockError::Timeout { .. })));
/// first.commit().await?;
/// locks::lock(&mut second, &names[1..], Duration::from_millis(20)).await?;
/// second.commit().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub async fn lock(
    transaction: &mut Transaction,
    names: &[LockName],
    timeout: Duration,
) -> Result<TransactionLocks, LockError> {
    take(transaction, names, timeout, false).await
}

/// As [`lock`], and rejects a name that precedes one that the transaction already holds. Two
/// transactions that acquire all their locks in the order of keys never deadlock.
///
/// It reads all locks of the server, so it costs more than [`lock`].
///
/// # Errors
///
/// [`LockError::OutOfOrder`], and as [`lock`].
pub async fn lock_in_order(
    transaction: &mut Transaction,
    names: &[LockName],
    timeout: Duration,
) -> Result<TransactionLocks, LockError> {
    take(transaction, names, timeout, true).await
}

/// As [`lock`], without waiting: `None` when another holder has one of the names.
///
/// # Errors
///
/// [`LockError::Collision`], [`LockError::Database`].
pub async fn try_lock(
    transaction: &mut Transaction,
    names: &[LockName],
) -> Result<Option<TransactionLocks>, LockError> {
    match take(transaction, names, Duration::ZERO, false).await {
        Ok(locks) => Ok(Some(locks)),
        Err(LockError::Timeout { .. } | LockError::Leased { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn take(
    transaction: &mut Transaction,
    names: &[LockName],
    timeout: Duration,
    in_order: bool,
) -> Result<TransactionLocks, LockError> {
    // The client closes the connection after that limit.
    if timeout >= transaction.answer_limit() {
        return Err(LockError::TimeoutTooLong { timeout });
    }
    let (namespaces, identifiers) = answer::parts(names);
    let call = TakeLocks {
        namespaces,
        identifiers,
        timeout_ms: answer::milliseconds(timeout)?,
        in_order: Some(in_order),
    };
    let started = Instant::now();
    // Undoes the statement when this future is dropped, and after an error that the function does
    // not handle.
    let mut savepoint = transaction.savepoint();
    match savepoint.transaction().query(call.statement()).await {
        Ok(rows) => {
            savepoint.release_unanswered();
            Ok(TransactionLocks(answer::read(&rows, started.elapsed())?))
        }
        Err(error @ DatabaseError::Server(_)) => {
            savepoint.rollback().await?;
            Err(answer::failure(error, timeout))
        }
        Err(error) => Err(error.into()),
    }
}
