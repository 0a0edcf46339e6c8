//! What waits until something that is held from outside is free, for the requests that are set apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use neobank_db::{Database, DatabaseError, ErrorClass, TransactionOptions};

use super::super::statements::Statements;
use super::batch::{Pipeline, try_part};
use super::queue::{Over, Queue};
use crate::AccountId;

/// How often those who wait are looked after.
const TICK: Duration = Duration::from_millis(50);
/// The first and the longest pause between two attempts at a request whose key is held.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LONGEST: Duration = Duration::from_millis(200);
/// How long such an attempt waits for a lock: meanwhile it holds accounts that others want.
const ATTEMPT_PATIENCE: Duration = Duration::from_millis(20);

/// How often an account's lock is waited for again when nobody asks for the account any more.
const WAITS_IN_VAIN: u32 = 1;

/// A hold of a queue. However it ends, nothing stays behind it.
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

    /// Waits for an account's lock, holding nothing else meanwhile, and lets its requests go back then. They go back too
    /// when the server cannot be asked: carrying them out tells why.
    ///
    /// Waiting in the server takes a place among those who wait there, so that other processes do not always come first.
    pub(super) async fn account(mut self, account: AccountId, error: DatabaseError) {
        let queue = Arc::clone(&self.queue);
        let number = self.number;
        let longest = queue.engine.database.config().lock_timeout;
        // Whether anybody has waited here since the server was asked for the lock.
        let wanted = AtomicBool::new(false);
        let mut free = Box::pin(async {
            // Closed by nobody, and without a permit it would only take more connections.
            let _permit = queue.watches.acquire().await;
            let mut waits_in_vain = 0_u32;
            loop {
                let waited = wait_for_lock(&queue.engine.database, account).await;
                let is_held =
                    matches!(&waited, Err(error) if error.class() == ErrorClass::LockTimeout);
                if !is_held {
                    return;
                }
                // Those who were told that it is locked ask again. As long as it is known here, they hold up no one.
                if queue.expire(number, longest, &error) || wanted.swap(false, Ordering::AcqRel) {
                    waits_in_vain = 0;
                } else if waits_in_vain < WAITS_IN_VAIN {
                    waits_in_vain = waits_in_vain.saturating_add(1);
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

    /// Tries requests one by one that another transaction keeps from being written, so the ones with a key that it holds,
    /// until that is over or they have waited long enough. Between two attempts nothing is held.
    pub(super) async fn requests(mut self, error: DatabaseError) {
        let queue = Arc::clone(&self.queue);
        let longest = queue.engine.database.config().lock_timeout;
        let mut last = error;
        let mut pause = PAUSE_FIRST;
        while let Some(place) = queue.next_behind(self.number) {
            if place.waits_apart() >= longest {
                place.answer(Err(last.clone().into()));
                continue;
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(PAUSE_LONGEST);
            let mut follows = Pipeline::without_predecessor(queue.new_group(), ATTEMPT_PATIENCE);
            let Err((places, error)) = try_part(&queue, vec![place], &mut follows).await else {
                continue;
            };
            let is_held = error.class() == ErrorClass::LockTimeout;
            for place in places {
                if is_held {
                    queue.put_back_first(self.number, place);
                } else {
                    place.answer(Err(error.clone().into()));
                }
            }
            if is_held {
                last = error;
            }
            queue.expire(self.number, longest, &last);
        }
        self.end();
    }

    /// Waits for a group that has been under way for long, and lets those go back who wait for its accounts.
    pub(super) async fn group(mut self, over: Over, group: impl Future<Output = ()> + Send) {
        let released = Released {
            queue: Arc::clone(&self.queue),
            over: Some(over),
        };
        let longest = self.queue.engine.database.config().lock_timeout;
        let error = DatabaseError::NoAnswer { waited: longest };
        let mut group = Box::pin(group);
        while tokio::time::timeout(TICK, &mut group).await.is_err() {
            self.queue.expire(self.number, longest, &error);
        }
        drop(group);
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
            // Its runtime is shutting down: those who wait are told as their places are dropped.
            drop(self.queue.abandon_hold(self.number));
        }
    }
}

/// A group that is released when this is dropped.
struct Released {
    queue: Arc<Queue>,
    over: Option<Over>,
}

impl Drop for Released {
    fn drop(&mut self) {
        if let Some(over) = self.over.take() {
            self.queue.release(&over);
        }
    }
}

async fn wait_for_lock(database: &Database, account: AccountId) -> Result<(), DatabaseError> {
    let transaction = database.begin_with(TransactionOptions::default()).await?;
    Statements::wait_for_lock(&transaction, account).await?;
    transaction.rollback().await
}
