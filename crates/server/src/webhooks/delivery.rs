//! The events of one webhook, sent one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use neobank_db::locks::LockError;
use neobank_domain::events::{Event, EventError};
use neobank_domain::ledger::Actor;
use neobank_domain::webhooks::delivery::{self, FailedAttempt, NotedFailure};
use neobank_domain::webhooks::{self, Webhook, WebhookError, WebhookSecret, WebhookUpdate};
use neobank_domain::{LedgerError, WebhookId, change_log};
use thiserror::Error;
use tokio::sync::watch;

use super::attempt::{Failure, Outcome, Sender};
use super::backoff;
use super::lease::Lease;
use super::message::Message;
use super::options::WebhookOptions;
use crate::state::ServiceState;

/// The most events of one read.
const PAGE: u32 = 100;

/// The longest time for which a webhook's address, secrets and filter are not read again.
const FRESH: Duration = Duration::from_secs(1);

/// The pause after a failure of the database.
const PAUSE: Duration = Duration::from_secs(1);

/// The actor of a webhook that the service disables.
const ACTOR: &str = "service:webhooks";

/// The work on one webhook, which this server has to itself while its lease lasts.
pub(super) struct Delivery {
    state: ServiceState,
    options: WebhookOptions,
    webhook: WebhookId,
    lease: Lease,
    /// The webhook as the supervisor saw it last.
    seen: watch::Receiver<Arc<Webhook>>,
    sender: Sender,
    /// True when the service stops and waits for attempts no longer.
    given_up: watch::Receiver<bool>,
}

/// The reason for which the work on a webhook pauses.
#[derive(Debug, Error)]
enum Interruption {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Database(#[from] neobank_db::DatabaseError),
    #[error("the message was not written: {0}")]
    Message(#[from] serde_json::Error),
    #[error("the service stops")]
    GivenUp,
}

/// The next step after some work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There may be more to do.
    Continue,
    /// There is nothing to do until a time.
    Wait(Duration),
    /// The webhook is deleted or disabled.
    End,
}

impl Delivery {
    pub(super) fn new(
        state: ServiceState,
        options: WebhookOptions,
        sender: Sender,
        lease: Lease,
        seen: watch::Receiver<Arc<Webhook>>,
        given_up: watch::Receiver<bool>,
    ) -> Self {
        let webhook = seen.borrow().webhook_id;
        Self {
            state,
            options,
            webhook,
            lease,
            seen,
            sender,
            given_up,
        }
    }

    /// Works until the webhook is disabled or deleted, the lease is lost or the service stops.
    pub(super) async fn run(mut self) {
        while !self.state.is_stopping() {
            match self.step().await {
                Ok(Step::Continue) => {}
                Ok(Step::Wait(pause)) => self.wait(pause).await,
                Ok(Step::End) | Err(Interruption::GivenUp) => break,
                Err(Interruption::Lock(LockError::Lost { .. })) => return,
                Err(error) => {
                    tracing::warn!(webhook = %self.webhook, "no event was sent: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        let _ = self.lease.release(self.state.database()).await;
    }

    /// Waits for a time, or until the supervisor looked again.
    async fn wait(&mut self, pause: Duration) {
        // An error means that the webhook is deleted, which the next step finds.
        let changed = tokio::time::timeout(pause, self.seen.changed()).await;
        if matches!(changed, Ok(Err(_))) {
            tokio::time::sleep(self.options.poll_interval).await;
        }
    }

    /// Makes an attempt for a dead letter, or sends a page of events.
    async fn step(&mut self) -> Result<Step, Interruption> {
        self.lease.keep(self.state.database()).await?;
        let seen = Arc::clone(&self.seen.borrow_and_update());
        if let Some(pause) = self.idle(&seen) {
            return Ok(Step::Wait(pause));
        }
        let Some(webhook) = webhooks::find(self.state.database(), self.webhook).await? else {
            return Ok(Step::End);
        };
        if !webhook.is_enabled {
            return Ok(Step::End);
        }
        let secrets = delivery::secrets(self.state.database(), self.webhook).await?;
        if let Some(position) = webhook.requested_redelivery {
            return self.redeliver(&webhook, &secrets, position).await;
        }
        if let Some(pause) = self.pause_of(&webhook) {
            return Ok(Step::Wait(pause));
        }
        let reads = self.state.event_reads();
        let page = reads
            .read(self.state.database(), webhook.position, PAGE)
            .await?;
        if page.is_empty() {
            return Ok(Step::Wait(self.options.poll_interval));
        }
        self.send_page(&webhook, &secrets, page).await
    }

    /// Returns a pause if the webhook, as the supervisor saw it, has nothing to do.
    fn idle(&self, seen: &Webhook) -> Option<Duration> {
        let may_send = seen.lag() > 0 && self.pause_of(seen).is_none();
        let has_work = !seen.is_enabled || seen.requested_redelivery.is_some() || may_send;
        let is_told = self.seen.has_changed().is_ok();
        (!has_work && is_told).then_some(self.options.poll_interval)
    }

    /// Returns the time until the next attempt, if the last one failed.
    fn pause_of(&self, webhook: &Webhook) -> Option<Duration> {
        let failure = webhook.failure.as_ref()?;
        let rest = (failure.next_attempt_at - Utc::now()).to_std().ok()?;
        // The clocks of servers may differ: no pause is longer than the longest.
        Some(rest.min(self.options.longest_pause))
    }

    async fn send_page(
        &mut self,
        webhook: &Webhook,
        secrets: &[WebhookSecret],
        page: Vec<Event>,
    ) -> Result<Step, Interruption> {
        let database = self.state.database().clone();
        let began = Instant::now();
        let mut from = webhook.position;
        let mut reached = from;
        for event in page {
            let position = event.position;
            if !webhook.wants(&event.record) {
                reached = position;
                continue;
            }
            if self.state.is_stopping() || began.elapsed() > FRESH {
                break;
            }
            self.lease.keep(&database).await?;
            let message = Message::of(event)?;
            match self.attempt(webhook, secrets, &message).await? {
                Outcome::Accepted => {
                    if !delivery::advance(&database, self.webhook, (from, position), true).await? {
                        return Ok(Step::Continue);
                    }
                    (from, reached) = (position, position);
                }
                Outcome::Gone => return self.disable().await,
                Outcome::Failed(failure) => {
                    return self.fail(webhook, from, position, failure).await;
                }
            }
        }
        if reached > from {
            delivery::advance(&database, self.webhook, (from, reached), false).await?;
        }
        Ok(Step::Continue)
    }

    async fn attempt(
        &mut self,
        webhook: &Webhook,
        secrets: &[WebhookSecret],
        message: &Message,
    ) -> Result<Outcome, Interruption> {
        let database = self.state.database();
        // An attempt that is given up may have reached the receiver. It comes again under the same
        // identifier, from the server that has the webhook then.
        let outcome = tokio::select! {
            outcome = self.sender.attempt(&webhook.url, secrets, message) => outcome,
            error = self.lease.keep_on(database) => return Err(error.into()),
            _ = self.given_up.wait_for(|given_up| *given_up) => {
                return Err(Interruption::GivenUp);
            }
        };
        let is_accepted = outcome == Outcome::Accepted;
        self.state.webhooks().attempted(self.webhook, is_accepted);
        if let Outcome::Failed(failure) = &outcome {
            let (id, status) = (&message.id, failure.status);
            tracing::info!(webhook = %self.webhook, message = id, status, "not accepted: {}", failure.error);
        }
        Ok(outcome)
    }

    async fn fail(
        &mut self,
        webhook: &Webhook,
        from: i64,
        position: i64,
        failure: Failure,
    ) -> Result<Step, Interruption> {
        let before = webhook.failure.as_ref();
        let before = before.filter(|before| before.position == position);
        let attempts = before.map_or(0, |before| {
            u32::try_from(before.attempts).unwrap_or(u32::MAX)
        });
        let attempts = attempts.saturating_add(1);
        let pause = backoff::pause(&self.options, attempts, failure.retry_after);
        let failed = FailedAttempt::new(position, failure.status, failure.error);
        let database = self.state.database();
        let noted = delivery::note_failure(database, self.webhook, from, failed, pause).await?;
        if noted == NotedFailure::Dead {
            tracing::warn!(webhook = %self.webhook, position, "an event is a dead letter");
        }
        Ok(Step::Continue)
    }

    async fn redeliver(
        &mut self,
        webhook: &Webhook,
        secrets: &[WebhookSecret],
        position: i64,
    ) -> Result<Step, Interruption> {
        let database = self.state.database().clone();
        let before = position.saturating_sub(1);
        let page = self.state.event_reads().read(&database, before, 1).await?;
        let Some(event) = page.into_iter().next() else {
            return Ok(Step::Wait(self.options.poll_interval));
        };
        let message = Message::of(event)?;
        let failed = match self.attempt(webhook, secrets, &message).await? {
            Outcome::Accepted => None,
            Outcome::Gone => return self.disable().await,
            Outcome::Failed(failure) => {
                Some(FailedAttempt::new(position, failure.status, failure.error))
            }
        };
        delivery::end_redelivery(&database, self.webhook, position, failed).await?;
        Ok(Step::Continue)
    }

    /// Disables a webhook whose receiver wants no more messages. Its position stays.
    async fn disable(&mut self) -> Result<Step, Interruption> {
        let mut update = WebhookUpdate::default();
        update.is_enabled = Some(false);
        update.disabled_reason = Some("the receiver answered 410 (gone)".to_owned());
        let transaction = self.state.database().begin().await?;
        if let Ok(actor) = ACTOR.parse::<Actor>() {
            change_log::act_as(&transaction, &actor).await?;
        }
        webhooks::update(&transaction, self.webhook, &update).await?;
        transaction.commit().await?;
        tracing::warn!(webhook = %self.webhook, "disabled: the receiver answered 410");
        Ok(Step::End)
    }
}
