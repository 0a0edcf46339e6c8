//! What drives a lane: one group after the other, until nobody waits.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::part::{self, Follows};
use super::queue::{Over, Queue};

/// A lane of a queue. However it ends, those who wait are taken care of.
pub(super) struct Lane {
    queue: Arc<Queue>,
    /// The group that is under way.
    group: Option<Over>,
    /// The queue knows that it has ended.
    ended: bool,
}

impl Lane {
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
            let follows = Follows::new(taken.number, taken.predecessor);
            // A group that panics drops its places, which tells its callers; the next one is not concerned.
            if AssertUnwindSafe(part::carry_out(&self.queue, taken.places, follows))
                .catch_unwind()
                .await
                .is_err()
            {
                tracing::error!("a group of requests has panicked");
            }
            // Those who were just answered may have a next request: let them ask, instead of taking the few that did not
            // have to wait. Without them it costs nothing.
            tokio::task::yield_now().await;
        }
        self.ended = true;
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if !self.ended {
            self.queue.abandon_lane(self.group.take());
        }
    }
}
