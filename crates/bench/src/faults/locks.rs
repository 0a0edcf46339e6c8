//! A role that takes other roles' advisory locks, as any role that may connect can.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use neobank_db::{Database, DatabaseConfig, DatabaseError, ErrorClass, Executor, statement};
use tokio::task::JoinSet;

use crate::error::BenchError;
use crate::host::Host;

/// The number of sessions that take locks at the same time.
const SESSIONS: usize = 3;
/// The limit of a session's wait for each lock that another session holds.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// Sessions that take locks until they are stopped.
pub(super) struct Taker {
    over: Arc<AtomicBool>,
    sessions: JoinSet<Result<(), DatabaseError>>,
}

impl Taker {
    pub(super) async fn start(host: &Host) -> Result<Self, BenchError> {
        let mut config = DatabaseConfig::from_url(&host.url)?;
        config.application_name = "neobank bench locks".to_owned();
        config.pool_max = SESSIONS;
        config.lock_timeout = LOCK_TIMEOUT;
        let database = Database::connect(config).await?;
        let over = Arc::new(AtomicBool::new(false));
        let mut sessions = JoinSet::new();
        for session in 0..SESSIONS {
            sessions.spawn(take(database.clone(), session, Arc::clone(&over)));
        }
        Ok(Self { over, sessions })
    }

    pub(super) async fn stop(mut self) -> Result<(), BenchError> {
        self.over.store(true, Ordering::Release);
        while let Some(session) = self.sessions.join_next().await {
            session.map_err(|panicked| BenchError::other("a taker of locks", panicked))??;
        }
        Ok(())
    }
}

/// Takes locks in a loop. The first session waits for the locks that it sees, so that it is next in
/// their queues. The other sessions take and hold the keys that follow those.
async fn take(
    database: Database,
    session: usize,
    over: Arc<AtomicBool>,
) -> Result<(), DatabaseError> {
    let seen = "SELECT DISTINCT (classid::bigint << 32) | objid::bigint AS key FROM pg_catalog.pg_locks
                WHERE locktype = 'advisory' AND objsubid = 1 AND pid <> pg_catalog.pg_backend_pid()
                  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";
    let sql = if session == 0 {
        format!(
            "SELECT count(pg_catalog.pg_advisory_xact_lock(seen.key)::text) FROM ({seen}) AS seen"
        )
    } else {
        format!(
            "SELECT count(*) FILTER (WHERE pg_catalog.pg_try_advisory_xact_lock(seen.key + beside))
             FROM ({seen}) AS seen CROSS JOIN generate_series(0, 16) AS beside
             WHERE seen.key < 9223372036854775000"
        )
    };
    while !over.load(Ordering::Acquire) {
        let transaction = database.begin().await?;
        match transaction.execute(statement(&sql, [])).await {
            Ok(_) => {}
            Err(error) if error.class() == ErrorClass::LockTimeout => {}
            Err(error) => return Err(error),
        }
        if session > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        transaction.rollback().await?;
    }
    Ok(())
}
