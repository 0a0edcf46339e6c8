//! Leases: locks that need no connection.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use neobank_entity::Statement;
use neobank_entity::functions::concurrency::{AcquireLease, ReleaseLease, RenewLease};
use tokio_postgres::Row;
use uuid::Uuid;

use super::answer;
use super::error::LockError;
use super::name::LockName;
use super::token::FencingToken;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::executor::Executor;

/// The interval at which a name that another holder has is requested again.
const PAUSE: Duration = Duration::from_millis(50);

/// A name that is held until a point in time, without a connection: for work outside of the
/// database that outlives connections and processes.
///
/// A lease expires: after its end by the database's clock another holder may acquire the name,
/// whatever the first one is doing. Renew it in good time, and let the system that does the work
/// reject a stale [`FencingToken`] ([`check_fencing_token`](super::check_fencing_token) in the
/// database). Dropping this value releases nothing.
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
/// # let rollout = neobank_migration::Rollout::connect(server.url(), Default::default());
/// # rollout.await.unwrap().up().await.unwrap();
/// let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
/// let name = LockName::new("export", "regulator")?;
/// let minute = Duration::from_secs(60);
/// let mut lease = LockLease::acquire(&database, &name, minute, Duration::ZERO).await?;
/// // Work goes on elsewhere, and takes longer than was thought.
/// lease.renew(&database, minute).await?;
/// // Its result is written only when no other holder has come meanwhile.
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

/// The secret that renews and releases a lease. The database stores only its hash.
#[derive(Clone, Copy)]
struct LeaseSecret(Uuid);

impl std::fmt::Debug for LeaseSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LeaseSecret")
    }
}

impl LockLease {
    /// Acquires a name for `time_to_live` (from 1 ms to 24 days), and waits for it for at most
    /// `timeout`; zero does not wait.
    ///
    /// When the caller drops the future while its statement runs, the lease may exist until it
    /// expires. The wait polls, so it does not keep the order of arrival.
    ///
    /// # Errors
    ///
    /// [`LockError::Leased`] or [`LockError::Timeout`] when other holders had the name until the
    /// timeout; otherwise as [`LockError`] says.
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

    /// Extends the lease until `time_to_live` from now.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] when the lease has expired, even if no other holder has acquired the
    /// name since.
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

    /// Releases the lease.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] when the lease had expired: another holder may have had the name since.
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

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &LockName {
        &self.name
    }

    /// Returns the public identifier of the holder, which differs for each lease.
    #[must_use]
    pub fn holder(&self) -> Uuid {
        self.holder
    }

    /// Returns the fencing token of the holder. The token is durable.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.token
    }

    /// Returns the end of the lease, by the database's clock.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// Returns the time until which no other holder can have the name, by this process's clock:
    /// counted from before the request.
    #[must_use]
    pub fn valid_until(&self) -> Instant {
        self.valid_until
    }
}

/// Runs the statement in a transaction with explicit options, because defaults of the database or
/// the role may be stricter.
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
