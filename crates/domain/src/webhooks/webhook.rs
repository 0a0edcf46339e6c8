//! A webhook, a new one, and a change of one.

use chrono::{DateTime, Utc};
use neobank_db::{DatabaseError, FromRow};
use serde::Serialize;
use uuid::Uuid;

use super::{WebhookError, WebhookEventType};
use crate::events::EventRecord;
use crate::{WebhookId, text};

/// A webhook, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Webhook {
    /// The webhook's identifier.
    pub webhook_id: WebhookId,
    /// The address that gets the events.
    pub url: String,
    /// The description, for people.
    pub description: String,
    /// The types of the events that are sent; empty for all.
    pub event_types: Vec<WebhookEventType>,
    /// True if events are sent.
    pub is_enabled: bool,
    /// The reason for which the service itself stopped sending.
    pub disabled_reason: Option<String>,
    /// The seconds from the first attempt after which an event becomes a dead letter.
    pub dead_after_seconds: u32,
    /// The time of the creation.
    pub created_at: DateTime<Utc>,
    /// The person or program that created the webhook.
    pub created_by: String,
    /// The time of the last rotation of the secret.
    pub secret_rotated_at: Option<DateTime<Utc>>,
    /// The time until which the secret of before the last rotation signs too.
    pub previous_secret_until: Option<DateTime<Utc>>,
    /// The position that the last replay set.
    pub replayed_after: Option<i64>,
    /// The time of the last replay.
    pub replayed_at: Option<DateTime<Utc>>,
    /// The position of the last event that was accepted, not wanted or given up.
    pub position: i64,
    /// The end of the sealed order.
    pub end: i64,
    /// The number of dead letters that were not redelivered.
    pub dead_letters: i64,
    /// The position of the first dead letter that is to be attempted once more.
    pub requested_redelivery: Option<i64>,
    /// The event that is not accepted yet.
    pub failure: Option<WebhookFailure>,
}

/// The event that a webhook has not accepted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WebhookFailure {
    /// The position of the event.
    pub position: i64,
    /// The number of failed attempts.
    pub attempts: i64,
    /// The time of the first attempt.
    pub first_attempt_at: DateTime<Utc>,
    /// The time of the last attempt.
    pub last_attempt_at: DateTime<Utc>,
    /// The time before which no further attempt is made.
    pub next_attempt_at: DateTime<Utc>,
    /// The HTTP status of the last answer.
    pub last_status: Option<i32>,
    /// The reason for which the last attempt failed.
    pub last_error: String,
}

/// A webhook to create.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewWebhook {
    /// The webhook's identifier.
    pub webhook_id: WebhookId,
    /// The address that gets the events. The service reads it ([`WebhookError::Url`] is about its
    /// length alone).
    pub url: String,
    /// The description, for people.
    pub description: String,
    /// The types of the events that are sent; empty for all.
    pub event_types: Vec<WebhookEventType>,
    /// The seconds from the first attempt after which an event becomes a dead letter.
    pub dead_after_seconds: u32,
    /// The position behind which it begins; the end of the sealed order without one.
    pub after: Option<i64>,
}

/// Values of a webhook to change; `None` keeps one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookUpdate {
    /// The address.
    pub url: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The types of the events that are sent; empty for all.
    pub event_types: Option<Vec<WebhookEventType>>,
    /// The seconds from the first attempt after which an event becomes a dead letter.
    pub dead_after_seconds: Option<u32>,
    /// True to send events, false to stop.
    pub is_enabled: Option<bool>,
    /// The reason for which the service itself stops sending.
    pub disabled_reason: Option<String>,
}

impl Webhook {
    /// The seconds after which an event becomes a dead letter, if the caller names none: three days.
    pub const DEAD_AFTER_SECONDS: u32 = 259_200;

    /// The most seconds after which an event becomes a dead letter: 30 days.
    pub const DEAD_AFTER_SECONDS_MAX: u32 = 2_592_000;

    /// Returns the number of sealed events behind the position.
    #[must_use]
    pub const fn lag(&self) -> i64 {
        let lag = self.end.saturating_sub(self.position);
        if lag < 0 { 0 } else { lag }
    }

    /// Returns true if the webhook gets events of the record's type.
    #[must_use]
    pub fn wants(&self, record: &EventRecord) -> bool {
        let event_type = WebhookEventType::of(record);
        self.event_types.is_empty()
            || event_type.is_some_and(|event_type| self.event_types.contains(&event_type))
    }

    pub(super) fn of_row(row: StateRow) -> Result<Self, WebhookError> {
        let event_types =
            WebhookEventType::split(&row.event_types).map_err(|error| DatabaseError::Row {
                reason: error.to_string(),
            })?;
        let failure = row.failure();
        Ok(Self {
            webhook_id: row.webhook_id.into(),
            url: row.url,
            description: row.description,
            event_types,
            is_enabled: row.is_enabled,
            disabled_reason: row.disabled_reason,
            dead_after_seconds: u32::try_from(row.dead_after_seconds).unwrap_or_default(),
            created_at: row.created_at,
            created_by: row.created_by,
            secret_rotated_at: row.secret_rotated_at,
            previous_secret_until: row.previous_secret_until,
            replayed_after: row.replayed_after,
            replayed_at: row.replayed_at,
            position: row.last_position,
            end: row.end_position,
            dead_letters: row.dead_letters,
            requested_redelivery: row.requested_position,
            failure,
        })
    }
}

impl NewWebhook {
    /// Returns a webhook for all events from now on, with a new identifier.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            webhook_id: WebhookId::new(),
            url: url.into(),
            description: String::new(),
            event_types: Vec::new(),
            dead_after_seconds: Webhook::DEAD_AFTER_SECONDS,
            after: None,
        }
    }

    pub(super) fn validate(&self) -> Result<(), WebhookError> {
        url(&self.url)?;
        description(&self.description)
    }
}

impl WebhookUpdate {
    pub(super) fn validate(&self) -> Result<(), WebhookError> {
        self.url.as_deref().map_or(Ok(()), url)?;
        self.description.as_deref().map_or(Ok(()), description)
    }
}

/// A row of `banking.webhook_states()`.
#[derive(FromRow)]
pub(super) struct StateRow {
    webhook_id: Uuid,
    url: String,
    description: String,
    event_types: String,
    is_enabled: bool,
    disabled_reason: Option<String>,
    dead_after_seconds: i32,
    created_at: DateTime<Utc>,
    created_by: String,
    secret_rotated_at: Option<DateTime<Utc>>,
    previous_secret_until: Option<DateTime<Utc>>,
    replayed_after: Option<i64>,
    replayed_at: Option<DateTime<Utc>>,
    last_position: i64,
    end_position: i64,
    dead_letters: i64,
    requested_position: Option<i64>,
    failing_position: Option<i64>,
    attempt_count: Option<i64>,
    first_attempt_at: Option<DateTime<Utc>>,
    last_attempt_at: Option<DateTime<Utc>>,
    next_attempt_at: Option<DateTime<Utc>>,
    last_status: Option<i32>,
    last_error: Option<String>,
}

impl StateRow {
    fn failure(&self) -> Option<WebhookFailure> {
        Some(WebhookFailure {
            position: self.failing_position?,
            attempts: self.attempt_count?,
            first_attempt_at: self.first_attempt_at?,
            last_attempt_at: self.last_attempt_at?,
            next_attempt_at: self.next_attempt_at?,
            last_status: self.last_status,
            last_error: self.last_error.clone()?,
        })
    }
}

/// Returns the seconds after which an event becomes a dead letter, as the database takes them.
pub(super) fn dead_after(seconds: u32) -> Result<i32, WebhookError> {
    let valid = i32::try_from(seconds).ok();
    valid
        .filter(|_| (1..=Webhook::DEAD_AFTER_SECONDS_MAX).contains(&seconds))
        .ok_or(WebhookError::DeadAfter { seconds })
}

const URL_MAX: usize = 2_000;
const DESCRIPTION_MAX: usize = 200;

fn url(given: &str) -> Result<(), WebhookError> {
    text::name(given, URL_MAX).map_err(|problem| WebhookError::Url {
        reason: problem.to_string(),
    })
}

fn description(given: &str) -> Result<(), WebhookError> {
    text::printable(given, DESCRIPTION_MAX).map_err(|problem| WebhookError::Description {
        reason: problem.to_string(),
    })
}
