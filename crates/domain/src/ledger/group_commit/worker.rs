//! A worker: executes one batch after the other, until no request waits.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::batch::{self, Pipeline};
use super::queue::{BusyAccounts, Detached, Queue};

/// A worker of a queue. However it ends, the queue's callers get an answer or another worker.
pub(super) struct Worker {
    queue: Arc<Queue>,
    /// The batch in flight.
    batch: Option<BusyAccounts>,
    /// True when the queue no longer counts the worker.
    ended: bool,
}

impl Worker {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            batch: None,
            ended: false,
        }
    }

    pub(super) async fn drive(mut self) {
        while let Some(taken) = self.queue.take(self.batch.take()) {
            self.queue.counts.batch(taken.submissions.len());
            self.batch = Some(BusyAccounts {
                batch: taken.number,
                accounts: taken.accounts,
            });
            let pipeline = Pipeline::new(
                taken.number,
                taken.predecessor,
                self.queue.options.lock_timeout,
            );
            let queue = Arc::clone(&self.queue);
            let mut batch = Box::pin(async move {
                // A batch that panics drops its submissions, which answers their callers. The next
                // batch is unaffected.
                let executed = batch::execute(&queue, taken.submissions, pipeline);
                if AssertUnwindSafe(executed).catch_unwind().await.is_err() {
                    tracing::error!("a batch has panicked");
                }
            });
            let detach_after = self.queue.options.detach_after;
            while tokio::time::timeout(detach_after, &mut batch)
                .await
                .is_err()
            {
                // Without a permit to detach the batch, the worker stays with it.
                if let Some(detached) = self.detach() {
                    tracing::warn!("a batch has not ended: its worker goes on with others");
                    drop(tokio::spawn(detached.finish(batch)));
                    break;
                }
            }
            // The answered callers may submit their next request now. The next batch would
            // otherwise be the few requests that arrived meanwhile. Without such callers the yield
            // is cheap.
            tokio::task::yield_now().await;
        }
        self.ended = true;
    }

    /// Detaches the worker's batch, if a permit is free.
    fn detach(&mut self) -> Option<Detached> {
        let busy = self.batch.take()?;
        match self.queue.detach(busy) {
            Ok(detached) => Some(detached),
            Err(busy) => {
                self.batch = Some(busy);
                None
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.ended {
            self.queue.abandon_worker(self.batch.take());
        }
    }
}
