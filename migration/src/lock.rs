//! The lock that lets one rollout run at a time.

use std::time::{Duration, Instant};

use crate::error::RolloutError;
use crate::session::Session;

/// The key of the advisory lock: the letters `neobank` and a number, as one 64-bit number.
const KEY: i64 = i64::from_be_bytes(*b"neobank\x01");

/// The pause between attempts to take the lock. A statement that waits in the server would hold a
/// snapshot, and `CREATE INDEX CONCURRENTLY` of the other rollout would wait for that forever.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes the lock, or reports that another rollout runs.
pub(crate) async fn acquire(on: &Session, rollout_wait: Duration) -> Result<(), RolloutError> {
    let started = Instant::now();
    loop {
        let granted = on
            .value::<bool>("SELECT pg_catalog.pg_try_advisory_lock($1)", [KEY.into()])
            .await;
        if granted.map_err(|error| RolloutError::database(&error))? {
            return Ok(());
        }
        if started.elapsed() >= rollout_wait {
            return Err(RolloutError::Busy {
                waited: started.elapsed(),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Checks that this very session still holds the lock: behind a transaction pooler another session
/// would respond.
pub(crate) async fn check(on: &Session) -> Result<(), RolloutError> {
    const HELD: &str = "SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks
        WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid() AND granted
          AND ((classid::bigint << 32) | objid::bigint) = $1 AND objsubid = 1
    )";
    let held = on
        .value::<bool>(HELD, [KEY.into()])
        .await
        .map_err(|error| RolloutError::database(&error))?;
    if held {
        Ok(())
    } else {
        Err(RolloutError::LockLost)
    }
}

/// Releases the lock, also when a dropped call left it taken twice. When that fails, the session
/// has ended, and the lock with it.
pub(crate) async fn release(on: &Session) {
    if let Err(error) = on.batch("SELECT pg_catalog.pg_advisory_unlock_all()").await {
        tracing::debug!("the rollout's lock ends with its session: {error}");
    }
}
