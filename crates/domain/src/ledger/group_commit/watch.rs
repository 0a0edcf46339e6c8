//! The watches: each waits until a held resource is free, for the requests that are set aside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use neobank_db::{Database, DatabaseError, ErrorClass, TransactionOptions};

use super::super::statements::Statements;
use super::batch::{Pipeline, try_part};
use super::queue::{BusyAccounts, Queue};
use crate::AccountId;

/// The interval at which a watch answers requests that have waited for too long.
const TICK: Duration = Duration::from_millis(50);
/// The first and the longest pause between two attempts at a request whose key is held.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LONGEST: Duration = Duration::from_millis(200);
/// The lock timeout of such an attempt, which holds accounts that other requests need.
const ATTEMPT_LOCK_TIMEOUT: Duration = Duration::from_millis(20);

/// The number of further waits for an account's lock when no request needs the account any more.
const IDLE_WAITS: u32 = 1;

/// The watch of one hold. However the watch ends, no submission stays behind the hold.
pub(super) struct Watch {
    queue: Arc<Queue>,
    number: u64,
    ended: bool,
}

impl Watch {
    pub(super) const fn new(queue: Arc<Queue>, number: u64) -> Self {
        Self {
            queue,
            number,
            ended: false,
        }
    }

    /// Waits for an account's lock, and then returns its requests to the queue. If the server
    /// cannot be asked, they return too, and their execution reports the error.
    ///
    /// The watch holds no other lock. Because it waits in the server's queue for the lock, other
    /// processes cannot always come first.
    pub(super) async fn account(mut self, account: AccountId, error: DatabaseError) {
        let queue = Arc::clone(&self.queue);
        let number = self.number;
        let longest = queue.engine.database.config().lock_timeout;
        // True when a request has waited here since the server was last asked for the lock.
        let wanted = AtomicBool::new(false);
        let mut free = Box::pin(async {
            // The semaphore is never closed; it limits the connections of all watches.
            let _permit = queue.watches.acquire().await;
            let mut idle_waits = 0_u32;
            loop {
                let waited = wait_for_lock(&queue.engine.database, account).await;
                let is_held =
                    matches!(&waited, Err(error) if error.class() == ErrorClass::LockTimeout);
                if !is_held {
                    return;
                }
                // Callers that got the error may repeat their requests. While the hold exists,
                // these delay no batch.
                if queue.expire(number, longest, &error) || wanted.swap(false, Ordering::AcqRel) {
                    idle_waits = 0;
                } else if idle_waits < IDLE_WAITS {
                    idle_waits = idle_waits.saturating_add(1);
                } else {
                    return;
                }
            }
        });
        while tokio::time::timeout(TICK, &mut free).await.is_err() {
            if queue.expire(number, longest, &error) {
                wanted.store(true, Ordering::Release);
            }
        }
        drop(free);
        self.end();
    }

    /// Retries requests one by one whose key another transaction holds, until each succeeds or has
    /// waited for `lock_timeout`. Between two attempts the watch holds no lock.
    pub(super) async fn requests(mut self, error: DatabaseError) {
        let queue = Arc::clone(&self.queue);
        let longest = queue.engine.database.config().lock_timeout;
        let mut last = error;
        let mut pause = PAUSE_FIRST;
        while let Some(submission) = queue.next_behind(self.number) {
            if submission.waited_aside() >= longest {
                submission.answer(Err(last.clone().into()));
                continue;
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(PAUSE_LONGEST);
            let mut pipeline =
                Pipeline::without_predecessor(queue.new_batch(), ATTEMPT_LOCK_TIMEOUT);
            let Err((submissions, error)) = try_part(&queue, vec![submission], &mut pipeline).await
            else {
                continue;
            };
            let is_held = error.class() == ErrorClass::LockTimeout;
            for submission in submissions {
                if is_held {
                    queue.put_back_first(self.number, submission);
                } else {
                    submission.answer(Err(error.clone().into()));
                }
            }
            if is_held {
                last = error;
            }
            queue.expire(self.number, longest, &last);
        }
        self.end();
    }

    /// Waits for the end of a detached batch, and then returns the requests for its accounts to the
    /// queue.
    pub(super) async fn batch(
        mut self,
        busy: BusyAccounts,
        batch: impl Future<Output = ()> + Send,
    ) {
        let released = Released {
            queue: Arc::clone(&self.queue),
            busy: Some(busy),
        };
        let longest = self.queue.engine.database.config().lock_timeout;
        let error = DatabaseError::NoAnswer { waited: longest };
        let mut batch = Box::pin(batch);
        while tokio::time::timeout(TICK, &mut batch).await.is_err() {
            self.queue.expire(self.number, longest, &error);
        }
        drop(batch);
        drop(released);
        self.end();
    }

    fn end(&mut self) {
        self.ended = true;
        self.queue.end_hold(self.number);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            // The runtime is shutting down: dropping the submissions answers their callers.
            drop(self.queue.abandon_hold(self.number));
        }
    }
}

/// Releases the accounts of a batch when it is dropped.
struct Released {
    queue: Arc<Queue>,
    busy: Option<BusyAccounts>,
}

impl Drop for Released {
    fn drop(&mut self) {
        if let Some(busy) = self.busy.take() {
            self.queue.release(&busy);
        }
    }
}

async fn wait_for_lock(database: &Database, account: AccountId) -> Result<(), DatabaseError> {
    let transaction = database.begin_with(TransactionOptions::default()).await?;
    Statements::wait_for_lock(&transaction, account).await?;
    transaction.rollback().await
}
