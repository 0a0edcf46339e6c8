//! The state of the service, which all requests share.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use neobank_db::Database;
use neobank_domain::Ledger;
use tokio::sync::Semaphore;

use crate::event_reads::EventReads;
use crate::keys::KeyCache;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::oidc::Issuer;
use crate::rate::Buckets;
use crate::webhooks::WebhookCounts;

/// The state of the service: the ledger with its queue, the keys, the limits and the counts. All
/// requests share it, and clones are cheap.
#[derive(Clone, Debug)]
pub struct ServiceState {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ledger: Ledger,
    limits: Limits,
    keys: KeyCache,
    issuer: OnceLock<Issuer>,
    caller_rates: Buckets<String>,
    attempt_rates: Buckets<IpAddr>,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    batch_streams: Arc<Semaphore>,
    event_reads: EventReads,
    is_stopping: AtomicBool,
    metrics: Metrics,
    webhooks: WebhookCounts,
}

impl ServiceState {
    /// Returns the state of a service on a ledger, which should have group commit.
    #[must_use]
    pub fn new(ledger: Ledger, limits: Limits) -> Self {
        let requests = Arc::new(Semaphore::new(limits.requests_max));
        let streams = Arc::new(Semaphore::new(limits.streams_max));
        let batch_streams = Arc::new(Semaphore::new(limits.batch_streams_max));
        let caller_rates = Buckets::new(limits.caller_rate);
        let attempt_rates = Buckets::new(limits.attempt_rate);
        let event_reads = EventReads::new(limits.event_reads_max);
        Self {
            shared: Arc::new(Shared {
                ledger,
                limits,
                keys: KeyCache::default(),
                issuer: OnceLock::new(),
                caller_rates,
                attempt_rates,
                requests,
                streams,
                batch_streams,
                event_reads,
                is_stopping: AtomicBool::new(false),
                metrics: Metrics::default(),
                webhooks: WebhookCounts::default(),
            }),
        }
    }

    /// Returns the service that also takes the access tokens of an issuer. All clones take them; a
    /// second issuer is ignored.
    #[must_use]
    pub fn with_issuer(self, issuer: Issuer) -> Self {
        let _ = self.shared.issuer.set(issuer);
        self
    }

    /// The issuer whose access tokens the service takes.
    pub(crate) fn issuer(&self) -> Option<&Issuer> {
        self.shared.issuer.get()
    }

    /// The limits of the service.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Makes the service say that it is not ready, while it still serves.
    pub fn begin_to_stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Acquire)
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    pub(crate) fn database(&self) -> &Database {
        self.shared.ledger.database()
    }

    pub(crate) fn keys(&self) -> &KeyCache {
        &self.shared.keys
    }

    /// The buckets of callers, by their actors.
    pub(crate) fn caller_rates(&self) -> &Buckets<String> {
        &self.shared.caller_rates
    }

    /// The buckets of addresses that present no key that the service knows.
    pub(crate) fn attempt_rates(&self) -> &Buckets<IpAddr> {
        &self.shared.attempt_rates
    }

    pub(crate) fn requests(&self) -> &Arc<Semaphore> {
        &self.shared.requests
    }

    pub(crate) fn streams(&self) -> &Arc<Semaphore> {
        &self.shared.streams
    }

    pub(crate) fn batch_streams(&self) -> &Arc<Semaphore> {
        &self.shared.batch_streams
    }

    pub(crate) fn event_reads(&self) -> &EventReads {
        &self.shared.event_reads
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(crate) fn webhooks(&self) -> &WebhookCounts {
        &self.shared.webhooks
    }
}
