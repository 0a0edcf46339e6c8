//! What drives a lane: one group after the other, until nobody waits.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::part;
use super::queue::Queue;
use crate::AccountId;

/// A lane of a queue. However it ends, those who wait are taken care of.
pub(super) struct Lane {
    queue: Arc<Queue>,
    /// Those of the group that is under way.
    accounts: Vec<AccountId>,
    /// The queue knows that it has ended.
    ended: bool,
}

impl Lane {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            accounts: Vec::new(),
            ended: false,
        }
    }

    pub(super) async fn drive(mut self) {
        while let Some(group) = self.queue.take(&std::mem::take(&mut self.accounts)) {
            self.queue.counts.group(group.places.len());
            self.accounts = group.accounts;
            // A group that panics drops its places, which tells its callers; the next one is not concerned.
            if AssertUnwindSafe(part::carry_out(&self.queue, group.places))
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
            self.queue.abandon_lane(&self.accounts);
        }
    }
}
