//! Locks that nobody needs a connection for.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use neobank_entity::functions::concurrency::{AcquireLease, ReleaseLease, RenewLease};
use sea_orm::Statement;
use tokio_postgres::Row;
use uuid::Uuid;

use super::answer;
use super::error::LockError;
use super::name::LockName;
use super::token::FencingToken;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::executor::Executor;

/// How often a name that somebody else has is asked for.
const PAUSE: Duration = Duration::from_millis(50);

/// A name that is held for a time, without a connection: for work outside of the database that outlives connections and
/// processes.
///
/// It ends by itself: at its end by the database's clock anybody else may have the name, whatever its holder is doing.
/// Renew it in good time, and let whoever does the work refuse a stale [`FencingToken`]
/// ([`check_fencing_token`](super::check_fencing_token) in the database). Dropping it releases nothing.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use neobank_db::{Database, DatabaseConfig, locks};
/// use neobank_db::locks::{LockLease, LockName};
///
/// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
/// # let runtime = tokio::runtime::Runtime::new().unwrap();
/// # runtime.block_on(async {
/// # neobank_migration::Rollout::connect(server.url(), Default::default()).await.unwrap().up().await.unwrap();
/// let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
/// let name = LockName::new("export", "regulator")?;
/// let minute = Duration::from_secs(60);
/// let mut lease = LockLease::acquire(&database, &name, minute, Duration::ZERO).await?;
/// // Work goes on elsewhere, and takes longer than was thought.
/// lease.renew(&database, minute).await?;
/// // Its result is written only when nobody else has come meanwhile.
/// let transaction = database.begin().await?;
/// locks::check_fencing_token(&transaction, &name, lease.fencing_token()).await?;
/// transaction.commit().await?;
/// lease.release(&database).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct LockLease {
    name: LockName,
    secret: LeaseSecret,
    holder: Uuid,
    token: FencingToken,
    expires_at: DateTime<Utc>,
    valid_until: Instant,
}

/// What renews and releases a lease; the database keeps its hash alone.
#[derive(Clone, Copy)]
struct LeaseSecret(Uuid);

impl std::fmt::Debug for LeaseSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LeaseSecret")
    }
}

impl LockLease {
    /// Holds a name for `time_to_live` (from 1 ms to 24 days), and waits for it for at most `timeout`; zero does not wait.
    ///
    /// When the future is dropped while its statement is under way, the lease may be there: it ends by itself. The wait is
    /// by asking again, so it knows no order of arrival.
    ///
    /// # Errors
    ///
    /// [`LockError::Leased`] or [`LockError::Timeout`] when somebody else had it for all of the time. [`LockError`].
    pub async fn acquire(
        database: &Database,
        name: &LockName,
        time_to_live: Duration,
        timeout: Duration,
    ) -> Result<Self, LockError> {
        let secret = LeaseSecret(Uuid::new_v4());
        let time_to_live_ms = answer::milliseconds(time_to_live)?;
        let started = Instant::now();
        loop {
            let remaining = timeout.saturating_sub(started.elapsed());
            let wait = remaining.min(database.config().statement_timeout / 2);
            let sent = Instant::now();
            let call = AcquireLease {
                namespace: name.namespace().to_owned(),
                identifier: name.identifier().to_owned(),
                holder: secret.0,
                time_to_live_ms,
                timeout_ms: Some(answer::milliseconds(wait)?),
            };
            let row = row(database, call.statement()).await?;
            match answer::read(std::slice::from_ref(&row), started.elapsed()) {
                Ok(granted) => {
                    return Ok(Self {
                        name: name.clone(),
                        secret,
                        holder: answer::get(&row, "lease_holder")?,
                        token: granted.fencing_token(name).ok_or(DatabaseError::NoRow)?,
                        expires_at: answer::get(&row, "lease_expires_at")?,
                        valid_until: sent + time_to_live,
                    });
                }
                Err(LockError::Leased { .. } | LockError::Timeout { .. })
                    if started.elapsed() < timeout =>
                {
                    let remaining = timeout.saturating_sub(started.elapsed());
                    tokio::time::sleep(remaining.min(PAUSE)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Holds it until `time_to_live` from now.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] when it has ended, also when nobody else has had the name since.
    pub async fn renew(
        &mut self,
        database: &Database,
        time_to_live: Duration,
    ) -> Result<(), LockError> {
        let call = RenewLease {
            namespace: self.name.namespace().to_owned(),
            identifier: self.name.identifier().to_owned(),
            holder: self.secret.0,
            fencing_token: self.token.number(),
            time_to_live_ms: answer::milliseconds(time_to_live)?,
        };
        let sent = Instant::now();
        let row = row(database, call.statement()).await?;
        let renewed: Option<DateTime<Utc>> = row.try_get(0).map_err(DatabaseError::row)?;
        self.expires_at = renewed.ok_or_else(ended)?;
        self.valid_until = sent + time_to_live;
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] when it had ended: somebody else may have had the name since.
    pub async fn release(self, database: &Database) -> Result<(), LockError> {
        let call = ReleaseLease {
            namespace: self.name.namespace().to_owned(),
            identifier: self.name.identifier().to_owned(),
            holder: self.secret.0,
            fencing_token: self.token.number(),
        };
        let row = row(database, call.statement()).await?;
        if row.try_get(0).map_err(DatabaseError::row)? {
            Ok(())
        } else {
            Err(ended())
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &LockName {
        &self.name
    }

    /// This holder's public name, another one for each lease.
    #[must_use]
    pub fn holder(&self) -> Uuid {
        self.holder
    }

    /// This holder's number. It is durable.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.token
    }

    /// When it ends, by the database's clock.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// Until when nobody else can have the name, by this process's clock: counted from before the lease was asked for.
    #[must_use]
    pub fn valid_until(&self) -> Instant {
        self.valid_until
    }
}

/// In a transaction of its own, which says what it is like: the database's or the role's defaults may be stricter.
async fn row(database: &Database, statement: Statement) -> Result<Row, DatabaseError> {
    let transaction = database.begin().await?;
    let rows = transaction.query(statement).await?;
    transaction.commit().await?;
    rows.into_iter().next().ok_or(DatabaseError::NoRow)
}

fn ended() -> LockError {
    LockError::Lost {
        reason: "the lease has ended".to_owned(),
    }
}
