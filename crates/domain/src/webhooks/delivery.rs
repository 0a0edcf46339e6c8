//! The results of attempts, which the process that sends a webhook's events stores.
//!
//! Each call names the position from which the process began. It changes nothing if the webhook is
//! at another one: it was replayed or deleted meanwhile, or another process sends its events.

use std::time::Duration;

use neobank_db::{Executor, FromRow};
use neobank_entity::functions::banking::{
    AdvanceWebhook, EndWebhookRedelivery, NoteWebhookFailure, ReadWebhookSecrets,
};

use super::{WebhookError, WebhookSecret};
use crate::WebhookId;

/// The state of an event after a failed attempt was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotedFailure {
    /// The event is attempted again after the pause.
    Retried,
    /// The time of the event is over: it is a dead letter, and the webhook is behind it.
    Dead,
    /// The webhook is at another position; nothing was stored.
    Moved,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// The position of the event.
    pub position: i64,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// The reason, in at most 500 characters. It must name neither the address nor a secret.
    pub error: String,
}

impl FailedAttempt {
    /// Returns the failure of an event's attempt.
    #[must_use]
    pub fn new(position: i64, status: Option<u16>, error: impl Into<String>) -> Self {
        Self {
            position,
            status,
            error: error.into(),
        }
    }
}

/// Returns the secrets that sign a webhook's messages now, the newest first.
///
/// # Errors
///
/// [`WebhookError::Database`].
pub async fn secrets(
    on: &impl Executor,
    webhook: WebhookId,
) -> Result<Vec<WebhookSecret>, WebhookError> {
    let call = ReadWebhookSecrets {
        webhook_id: webhook.as_uuid(),
    };
    let rows: Vec<SecretRow> = on.fetch_many(call.statement()).await?;
    let secrets = rows.into_iter().map(|row| WebhookSecret::new(row.secret));
    secrets.collect()
}

/// Stores that a webhook accepted the event at a position, or does not want the events up to it.
/// Returns false if the webhook is not at `from` any more.
///
/// # Errors
///
/// [`WebhookError::Database`].
pub async fn advance(
    on: &impl Executor,
    webhook: WebhookId,
    (from, to): (i64, i64),
    is_accepted: bool,
) -> Result<bool, WebhookError> {
    let call = AdvanceWebhook {
        webhook_id: webhook.as_uuid(),
        from,
        to,
        is_accepted,
    };
    Ok(on.fetch_value(call.statement()).await?)
}

/// Stores a failed attempt, and the pause before the next one.
///
/// # Errors
///
/// [`WebhookError::Database`].
pub async fn note_failure(
    on: &impl Executor,
    webhook: WebhookId,
    from: i64,
    failed: FailedAttempt,
    pause: Duration,
) -> Result<NotedFailure, WebhookError> {
    let call = NoteWebhookFailure {
        webhook_id: webhook.as_uuid(),
        from,
        event_position: failed.position,
        error: failed.error,
        pause_seconds: pause.as_secs_f64(),
        status: failed.status.map(i32::from),
    };
    let row: Option<FailureRow> = on.fetch_one(call.statement()).await?;
    Ok(match row {
        Some(row) if row.is_dead => NotedFailure::Dead,
        Some(row) if row.is_noted => NotedFailure::Retried,
        _ => NotedFailure::Moved,
    })
}

/// Stores the attempt that was requested for a dead letter: `failed` is `None` if it was accepted.
///
/// # Errors
///
/// [`WebhookError::Database`].
pub async fn end_redelivery(
    on: &impl Executor,
    webhook: WebhookId,
    position: i64,
    failed: Option<FailedAttempt>,
) -> Result<(), WebhookError> {
    let status = failed.as_ref().and_then(|failed| failed.status);
    let call = EndWebhookRedelivery {
        webhook_id: webhook.as_uuid(),
        event_position: position,
        status: status.map(i32::from),
        error: failed.map(|failed| failed.error),
    };
    on.execute(call.statement()).await?;
    Ok(())
}

#[derive(FromRow)]
struct SecretRow {
    secret: Vec<u8>,
}

#[derive(FromRow)]
struct FailureRow {
    is_noted: bool,
    is_dead: bool,
}
