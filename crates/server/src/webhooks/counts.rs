//! The counts of webhooks, in Prometheus' text format. A bank has at most 100 webhooks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use neobank_domain::WebhookId;
use neobank_domain::webhooks::Webhook;

/// The counts of each webhook: those of the database as this server saw them last, and the attempts
/// that this server made.
#[derive(Debug, Default)]
pub(crate) struct WebhookCounts {
    webhooks: Mutex<BTreeMap<WebhookId, Counts>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    is_enabled: bool,
    lag: i64,
    dead_letters: i64,
    accepted: u64,
    failed: u64,
}

impl WebhookCounts {
    /// Keeps the counts of these webhooks alone.
    pub(super) fn see(&self, webhooks: &[Webhook]) {
        let mut counts = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *counts);
        for webhook in webhooks {
            let mut own = before.get(&webhook.webhook_id).copied().unwrap_or_default();
            own.is_enabled = webhook.is_enabled;
            own.lag = webhook.lag();
            own.dead_letters = webhook.dead_letters;
            counts.insert(webhook.webhook_id, own);
        }
    }

    pub(super) fn attempted(&self, webhook: WebhookId, is_accepted: bool) {
        let mut counts = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = counts.get_mut(&webhook) {
            let count = if is_accepted {
                &mut own.accepted
            } else {
                &mut own.failed
            };
            *count = count.saturating_add(1);
        }
    }

    /// Writes the figures.
    pub(crate) fn write(&self, text: &mut String) {
        let counts = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, help, value) in [
            (
                "neobank_webhook_enabled",
                "1 for a webhook to which events are sent.",
                (|own| own.is_enabled.into()) as fn(&Counts) -> i64,
            ),
            (
                "neobank_webhook_lag_events",
                "Sealed events behind a webhook's position.",
                |own| own.lag,
            ),
            (
                "neobank_webhook_dead_letters",
                "Dead letters of a webhook that were not redelivered.",
                |own| own.dead_letters,
            ),
        ] {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            for (webhook, own) in counts.iter() {
                let _ = writeln!(text, "{name}{{webhook=\"{webhook}\"}} {}", value(own));
            }
        }
        let name = "neobank_webhook_attempts_total";
        let help = "Attempts of this server to send an event.";
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for (webhook, own) in counts.iter() {
            for (outcome, count) in [("accepted", own.accepted), ("failed", own.failed)] {
                let labels = format!("webhook=\"{webhook}\",outcome=\"{outcome}\"");
                let _ = writeln!(text, "{name}{{{labels}}} {count}");
            }
        }
    }
}
