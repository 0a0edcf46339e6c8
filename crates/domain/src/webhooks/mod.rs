//! Webhooks: addresses to which the service sends the sealed order, one event after the other.
//!
//! A webhook has a position in the sealed order, as a consumer of [`events`](crate::events) has, and
//! secrets that sign its messages. [`create`], [`update`], [`rotate_secret`], [`replay`],
//! [`redeliver`] and [`delete`] need a transaction that names an actor, such as
//! [`Ledger::begin_change`](crate::Ledger::begin_change) begins; the change log has them.
//!
//! The service sends the events. The functions of [`delivery`] store what became of each attempt.

mod dead_letter;
pub mod delivery;
mod error;
mod event_type;
mod secret;
mod webhook;

use neobank_db::{DatabaseError, Executor};
use neobank_entity::constraints::banking as rules;
use neobank_entity::functions::banking::{
    CreateWebhook, DeleteWebhook, RedeliverWebhookEvent, ReplayWebhook, RotateWebhookSecret,
    UpdateWebhook, WebhookStates,
};
use neobank_entity::sqlstates;

pub use dead_letter::{DeadLetter, DeadLetterPage, dead_letters};
pub use error::WebhookError;
pub use event_type::{NotAnEventType, WebhookEventType};
pub use secret::WebhookSecret;
pub use webhook::{NewWebhook, Webhook, WebhookFailure, WebhookUpdate};

use crate::WebhookId;
use webhook::StateRow;

/// The most webhooks of a bank.
pub const WEBHOOKS_MAX: u32 = 100;

/// The longest time in seconds for which a replaced secret signs too: 30 days.
pub const OVERLAP_SECONDS_MAX: u32 = 2_592_000;

/// Stores a new webhook with its secret, and returns it.
///
/// # Errors
///
/// [`WebhookError`] names the part of the webhook that is invalid; nothing was changed.
pub async fn create(
    on: &impl Executor,
    new: &NewWebhook,
    secret: &WebhookSecret,
) -> Result<Webhook, WebhookError> {
    new.validate()?;
    let call = CreateWebhook {
        webhook_id: new.webhook_id.as_uuid(),
        url: new.url.clone(),
        description: new.description.clone(),
        event_types: WebhookEventType::join(&new.event_types),
        dead_after_seconds: webhook::dead_after(new.dead_after_seconds)?,
        secret: secret.bytes().to_vec(),
        after: new.after,
    };
    let created = on.execute(call.statement()).await;
    created.map_err(|error| not_changed(error, new.after))?;
    known(on, new.webhook_id).await
}

/// Changes the given values of a webhook, and returns it. One that becomes enabled is attempted at
/// once.
///
/// # Errors
///
/// [`WebhookError::Unknown`], and the errors of [`create`].
pub async fn update(
    on: &impl Executor,
    webhook: WebhookId,
    update: &WebhookUpdate,
) -> Result<Webhook, WebhookError> {
    update.validate()?;
    let seconds = update.dead_after_seconds.map(webhook::dead_after);
    let call = UpdateWebhook {
        webhook_id: webhook.as_uuid(),
        url: update.url.clone(),
        description: update.description.clone(),
        event_types: update.event_types.as_deref().map(WebhookEventType::join),
        dead_after_seconds: seconds.transpose()?,
        is_enabled: update.is_enabled,
        disabled_reason: update.disabled_reason.clone(),
    };
    let changed = on.fetch_value(call.statement()).await;
    found(webhook, changed, None)?;
    known(on, webhook).await
}

/// Gives a webhook a new secret. The secret of before signs too for a number of seconds; one that an
/// earlier rotation replaced ends at once.
///
/// # Errors
///
/// [`WebhookError::Unknown`], [`WebhookError::Overlap`], [`WebhookError::ActorRequired`] and
/// [`WebhookError::Database`].
pub async fn rotate_secret(
    on: &impl Executor,
    webhook: WebhookId,
    secret: &WebhookSecret,
    overlap_seconds: u32,
) -> Result<Webhook, WebhookError> {
    let overlap = i32::try_from(overlap_seconds).ok();
    let overlap = overlap.filter(|_| overlap_seconds <= OVERLAP_SECONDS_MAX);
    let call = RotateWebhookSecret {
        webhook_id: webhook.as_uuid(),
        secret: secret.bytes().to_vec(),
        overlap_seconds: overlap.ok_or(WebhookError::Overlap {
            seconds: overlap_seconds,
        })?,
    };
    found(webhook, on.fetch_value(call.statement()).await, None)?;
    known(on, webhook).await
}

/// Sets a webhook behind a position of the sealed order, back or forward. It gets the events after
/// it.
///
/// # Errors
///
/// [`WebhookError::Unknown`], [`WebhookError::Position`] for a position that is not sealed,
/// [`WebhookError::ActorRequired`] and [`WebhookError::Database`].
pub async fn replay(
    on: &impl Executor,
    webhook: WebhookId,
    after: i64,
) -> Result<Webhook, WebhookError> {
    let call = ReplayWebhook {
        webhook_id: webhook.as_uuid(),
        after,
    };
    found(webhook, on.fetch_value(call.statement()).await, Some(after))?;
    known(on, webhook).await
}

/// Requests one more attempt for a dead letter.
///
/// # Errors
///
/// [`WebhookError::UnknownDeadLetter`], [`WebhookError::ActorRequired`] and
/// [`WebhookError::Database`].
pub async fn redeliver(
    on: &impl Executor,
    webhook: WebhookId,
    position: i64,
) -> Result<(), WebhookError> {
    let call = RedeliverWebhookEvent {
        webhook_id: webhook.as_uuid(),
        event_position: position,
    };
    match found(webhook, on.fetch_value(call.statement()).await, None) {
        Err(WebhookError::Unknown { .. }) => {
            Err(WebhookError::UnknownDeadLetter { webhook, position })
        }
        other => other,
    }
}

/// Deletes a webhook with its secrets, its position and its dead letters.
///
/// # Errors
///
/// [`WebhookError::Unknown`], [`WebhookError::ActorRequired`] and [`WebhookError::Database`].
pub async fn delete(on: &impl Executor, webhook: WebhookId) -> Result<(), WebhookError> {
    let call = DeleteWebhook {
        webhook_id: webhook.as_uuid(),
    };
    found(webhook, on.fetch_value(call.statement()).await, None)
}

/// Returns the webhook with an identifier.
///
/// # Errors
///
/// [`WebhookError::Database`].
pub async fn find(on: &impl Executor, webhook: WebhookId) -> Result<Option<Webhook>, WebhookError> {
    let call = WebhookStates {
        webhook_id: Some(webhook.as_uuid()),
    };
    let row: Option<StateRow> = on.fetch_one(call.statement()).await?;
    row.map(Webhook::of_row).transpose()
}

/// Returns all webhooks, in the order of their creation; there are at most [`WEBHOOKS_MAX`].
///
/// # Errors
///
/// [`WebhookError::Database`].
pub async fn list(on: &impl Executor) -> Result<Vec<Webhook>, WebhookError> {
    let call = WebhookStates { webhook_id: None };
    let rows: Vec<StateRow> = on.fetch_many(call.statement()).await?;
    rows.into_iter().map(Webhook::of_row).collect()
}

async fn known(on: &impl Executor, webhook: WebhookId) -> Result<Webhook, WebhookError> {
    let found = find(on, webhook).await?;
    found.ok_or(WebhookError::Unknown { webhook })
}

fn found(
    webhook: WebhookId,
    changed: Result<bool, DatabaseError>,
    position: Option<i64>,
) -> Result<(), WebhookError> {
    match changed {
        Ok(true) => Ok(()),
        Ok(false) => Err(WebhookError::Unknown { webhook }),
        Err(error) => Err(not_changed(error, position)),
    }
}

fn not_changed(error: DatabaseError, position: Option<i64>) -> WebhookError {
    match error.violated() {
        Some(rules::WEBHOOKS_POSITION_IS_SEALED) => WebhookError::Position {
            position: position.unwrap_or_default(),
        },
        Some(rules::WEBHOOKS_COUNT_LIMITED) => WebhookError::TooMany,
        Some(rules::WEBHOOKS_PKEY) => WebhookError::AlreadyExists,
        _ if error.sqlstate() == Some(sqlstates::ACTOR_REQUIRED) => WebhookError::ActorRequired,
        _ => error.into(),
    }
}
