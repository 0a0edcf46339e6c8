//! What drives a worker: one group after the other, until nobody waits.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::batch::{self, Pipeline};
use super::queue::{Left, Over, Queue};

/// A worker of a queue. However it ends, those who wait are taken care of.
pub(super) struct Worker {
    queue: Arc<Queue>,
    /// The group that is under way.
    group: Option<Over>,
    /// The queue knows that it has ended.
    ended: bool,
}

impl Worker {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            group: None,
            ended: false,
        }
    }

    pub(super) async fn drive(mut self) {
        while let Some(taken) = self.queue.take(self.group.take()) {
            self.queue.counts.group(taken.places.len());
            self.group = Some(Over {
                group: taken.number,
                accounts: taken.accounts,
            });
            let follows = Pipeline::new(
                taken.number,
                taken.predecessor,
                self.queue.options.lock_patience,
            );
            let queue = Arc::clone(&self.queue);
            let mut group = Box::pin(async move {
                // A group that panics drops its places, which tells its callers; the next one is not concerned.
                let carried_out = batch::carry_out(&queue, taken.places, follows);
                if AssertUnwindSafe(carried_out).catch_unwind().await.is_err() {
                    tracing::error!("a group of requests has panicked");
                }
            });
            let patience = self.queue.options.silence_patience;
            while tokio::time::timeout(patience, &mut group).await.is_err() {
                // Without a free place among those that are left to themselves, the worker stays.
                if let Some(left) = self.leave() {
                    tracing::warn!("a group of requests does not end: others go past it");
                    drop(tokio::spawn(left.go_on(group)));
                    break;
                }
            }
            // Those who were just answered may have a next request: let them ask, instead of taking the few that did not
            // have to wait. Without them it costs nothing.
            tokio::task::yield_now().await;
        }
        self.ended = true;
    }

    /// The worker's group is no longer its own.
    fn leave(&mut self) -> Option<Left> {
        let over = self.group.take()?;
        match self.queue.leave(over) {
            Ok(left) => Some(left),
            Err(over) => {
                self.group = Some(over);
                None
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.ended {
            self.queue.abandon_worker(self.group.take());
        }
    }
}
