//! The work on all webhooks: finds them, and sends the events of those that no other server has.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use neobank_db::locks::{LockError, LockLease, LockName};
use neobank_domain::WebhookId;
use neobank_domain::webhooks::{self, Webhook};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::attempt::Sender;
use super::connection::Connector;
use super::delivery::Delivery;
use super::lease::Lease;
use super::options::WebhookOptions;
use crate::state::ServiceState;

/// The namespace of the leases.
const NAMESPACE: &str = "webhook";

/// Sends the events of all webhooks until the service stops, and then ends the attempts at work, or
/// gives them up when told.
pub(crate) async fn supervise(state: ServiceState, given_up: watch::Receiver<bool>) {
    let options = state.limits().webhooks;
    let connector = match Connector::new(options) {
        Ok(connector) => connector,
        Err(error) => {
            tracing::error!("no webhook can be reached: {error}");
            return;
        }
    };
    let mut supervisor = Supervisor {
        state,
        options,
        connector,
        given_up,
        deliveries: JoinSet::new(),
        at_work: BTreeMap::new(),
        next_try: HashMap::new(),
    };
    while !supervisor.state.is_stopping() {
        supervisor.look().await;
        tokio::time::sleep(options.poll_interval).await;
    }
    // Those that wait end their wait when nothing tells them more.
    supervisor.at_work.clear();
    while supervisor.deliveries.join_next().await.is_some() {}
}

struct Supervisor {
    state: ServiceState,
    options: WebhookOptions,
    connector: Connector,
    given_up: watch::Receiver<bool>,
    deliveries: JoinSet<()>,
    at_work: BTreeMap<WebhookId, watch::Sender<Arc<Webhook>>>,
    /// The time of the next try to take a webhook that another server has.
    next_try: HashMap<WebhookId, Instant>,
}

impl Supervisor {
    /// Reads the webhooks, tells those at work what they are now, and begins with others.
    async fn look(&mut self) {
        while self.deliveries.try_join_next().is_some() {}
        let database = self.state.database();
        let found = match webhooks::list(database).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!("the webhooks were not read: {error}");
                return;
            }
        };
        self.state.webhooks().see(&found);
        self.at_work.retain(|_, told| !told.is_closed());
        let is_known = |id: &WebhookId| found.iter().any(|one| one.webhook_id == *id);
        // The work on a deleted webhook ends when nothing tells it more.
        self.at_work.retain(|id, _| is_known(id));
        self.next_try.retain(|id, _| is_known(id));
        for webhook in found {
            match self.at_work.get(&webhook.webhook_id) {
                Some(told) => drop(told.send(Arc::new(webhook))),
                None if webhook.is_enabled => self.take(webhook).await,
                None => {}
            }
        }
    }

    /// Begins to send the events of a webhook, if no other server does.
    async fn take(&mut self, webhook: Webhook) {
        let id = webhook.webhook_id;
        let now = Instant::now();
        if self.next_try.get(&id).is_some_and(|time| *time > now) {
            return;
        }
        let lease = match self.lease(id).await {
            Ok(lease) => lease,
            Err(LockError::Leased { .. } | LockError::Timeout { .. }) => {
                self.next_try.insert(id, now + self.options.lease_pause());
                return;
            }
            Err(error) => {
                tracing::warn!(webhook = %id, "the webhook was not taken: {error}");
                return;
            }
        };
        let (told, seen) = watch::channel(Arc::new(webhook));
        self.at_work.insert(id, told);
        let sender = Sender::new(self.connector.clone(), self.options);
        let lease = Lease::new(lease, self.options);
        let given_up = self.given_up.clone();
        let delivery = Delivery::new(
            self.state.clone(),
            self.options,
            sender,
            lease,
            seen,
            given_up,
        );
        self.deliveries.spawn(delivery.run());
    }

    async fn lease(&self, webhook: WebhookId) -> Result<LockLease, LockError> {
        let name = LockName::new(NAMESPACE, webhook.to_string())?;
        let database = self.state.database();
        LockLease::acquire(database, &name, self.options.lease_time, Duration::ZERO).await
    }
}
