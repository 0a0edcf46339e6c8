//! Webhooks, sent to receivers on this machine.

mod delivery;
mod destinations;
pub(super) mod receiver;
mod resources;
mod servers;

use std::time::Duration;

use neobank_domain::api_keys::Scope;
use neobank_domain::{AccountId, TransferRequest, chain};
use neobank_server::{Limits, WebhookOptions};
use serde_json::{Value, json};

use super::{Answer, Service, key};
use crate::harness::{TestBank, czk};
use receiver::{Received, Receiver, Reply};

/// Limits with short pauses, which let webhooks reach this machine.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.drain_delay = Duration::from_millis(50);
    limits.webhooks = options();
    limits
}

fn options() -> WebhookOptions {
    let mut options = WebhookOptions::default();
    options.private_addresses = true;
    options.attempt_timeout = Duration::from_secs(1);
    options.first_pause = Duration::from_millis(50);
    options.longest_pause = Duration::from_millis(200);
    options.poll_interval = Duration::from_millis(50);
    options
}

/// A bank with a service, an administrator's key, and two accounts.
struct Setup {
    bank: TestBank,
    service: Service,
    bearer: String,
    from: AccountId,
    to: AccountId,
}

impl Setup {
    async fn on(bank: TestBank) -> Self {
        Self::of(bank, limits()).await
    }

    async fn of(bank: TestBank, limits: Limits) -> Self {
        let service = Service::on(&bank, limits).await;
        let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
        let from = bank.account(czk("1000")).await;
        let to = bank.account(czk("0")).await;
        seal(&bank).await;
        Self {
            bank,
            service,
            bearer,
            from,
            to,
        }
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.service.send(method, path, &[&self.bearer], body).await
    }

    /// Creates a webhook, and returns its identifier and its secret.
    async fn webhook(&self, url: &str, more: Value) -> (String, String) {
        let mut body = json!({ "url": url });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let created = self.send("POST", "/v1/webhooks", &body.to_string()).await;
        assert_eq!(created.status, 201, "{created:?}");
        let text = |name: &str| created.body[name].as_str().unwrap().to_owned();
        (text("webhook_id"), text("secret"))
    }

    async fn show(&self, webhook: &str) -> Value {
        let shown = self
            .send("GET", &format!("/v1/webhooks/{webhook}"), "")
            .await;
        assert_eq!(shown.status, 200, "{shown:?}");
        shown.body
    }

    /// Waits until a webhook is in a state.
    async fn wait(&self, webhook: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..600 {
            let shown = self.show(webhook).await;
            if is_there(&shown) {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{}", self.show(webhook).await)
    }

    /// Posts a number of transfers and seals them.
    async fn transfers(&self, count: usize) {
        transfers(&self.bank, self.from, self.to, count).await;
    }
}

async fn transfers(bank: &TestBank, from: AccountId, to: AccountId, count: usize) {
    for _ in 0..count {
        let request = TransferRequest::new(from, to, czk("1"));
        bank.ledger.submit(request).await.unwrap();
    }
    seal(bank).await;
}

async fn seal(bank: &TestBank) {
    while chain::seal(&bank.database, 1_000).await.unwrap().has_more {}
}

/// The positions of messages, without those that came again at once.
fn positions(received: &[Received]) -> Vec<i64> {
    let mut positions: Vec<_> = received.iter().map(Received::position).collect();
    positions.dedup();
    positions
}
