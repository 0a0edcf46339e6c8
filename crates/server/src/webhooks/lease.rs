//! The lease by which one server sends the events of a webhook.

use std::time::{Duration, Instant};

use neobank_db::Database;
use neobank_db::locks::{LockError, LockLease};

use super::options::WebhookOptions;

/// The pause after a renewal that failed.
const PAUSE: Duration = Duration::from_millis(200);

/// The lease of a webhook, which this server renews.
pub(super) struct Lease {
    lease: LockLease,
    options: WebhookOptions,
}

impl Lease {
    pub(super) const fn new(lease: LockLease, options: WebhookOptions) -> Self {
        Self { lease, options }
    }

    /// Renews the lease if half of it is over.
    pub(super) async fn keep(&mut self, database: &Database) -> Result<(), LockError> {
        if self.rest() < self.options.renewal_time() {
            let time = self.options.lease_time;
            self.lease.renew(database, time).await?;
        }
        Ok(())
    }

    /// Renews the lease again and again. Ends when it could not be renewed in time: then another
    /// server may go on, so that the work at hand must end.
    pub(super) async fn keep_on(&mut self, database: &Database) -> LockError {
        loop {
            let pause = self.rest().saturating_sub(self.options.renewal_time());
            tokio::time::sleep(pause).await;
            let limit = self.rest().saturating_sub(self.options.lease_margin());
            if limit.is_zero() {
                return LockError::Lost {
                    reason: "the lease was not renewed in time".to_owned(),
                };
            }
            let time = self.options.lease_time;
            let renewed = tokio::time::timeout(limit, self.lease.renew(database, time)).await;
            match renewed {
                Ok(Err(error @ LockError::Lost { .. })) => return error,
                Ok(Err(_)) => tokio::time::sleep(PAUSE.min(limit)).await,
                Ok(Ok(())) | Err(_) => {}
            }
        }
    }

    pub(super) async fn release(self, database: &Database) -> Result<(), LockError> {
        self.lease.release(database).await
    }

    fn rest(&self) -> Duration {
        let end = self.lease.valid_until();
        end.saturating_duration_since(Instant::now())
    }
}
