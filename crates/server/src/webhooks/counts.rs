//! The counts of webhooks. A bank has at most 100 webhooks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use neobank_domain::WebhookId;
use neobank_domain::webhooks::Webhook;

use crate::metrics::{Family, Kind, Sample};

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

    /// Returns the figures.
    pub(crate) fn families(&self) -> Vec<Family> {
        let counts = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        let gauge = |name, help, value: fn(&Counts) -> i64| Family {
            name,
            kind: Kind::Gauge,
            help,
            samples: counts
                .iter()
                .map(|(webhook, own)| Sample::new([label(webhook)], value(own)))
                .collect(),
        };
        let attempts = counts.iter().flat_map(|(webhook, own)| {
            let outcomes = [("accepted", own.accepted), ("failed", own.failed)];
            outcomes.map(|(outcome, count)| {
                Sample::new([label(webhook), ("outcome", outcome.to_owned())], count)
            })
        });
        vec![
            gauge(
                "neobank_webhook_enabled",
                "1 for a webhook to which events are sent.",
                |own| own.is_enabled.into(),
            ),
            gauge(
                "neobank_webhook_lag_events",
                "Sealed events behind a webhook's position.",
                |own| own.lag,
            ),
            gauge(
                "neobank_webhook_dead_letters",
                "Dead letters of a webhook that were not redelivered.",
                |own| own.dead_letters,
            ),
            Family {
                name: "neobank_webhook_attempts_total",
                kind: Kind::Counter,
                help: "Attempts of this server to send an event.",
                samples: attempts.collect(),
            },
        ]
    }
}

fn label(webhook: &WebhookId) -> (&'static str, String) {
    ("webhook", webhook.to_string())
}
