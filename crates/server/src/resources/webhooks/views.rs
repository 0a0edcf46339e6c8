//! The JSON of webhooks.

use chrono::{DateTime, Utc};
use neobank_domain::shortened;
use neobank_domain::webhooks::{
    DeadLetter, DeadLetterPage, NewWebhook, Webhook, WebhookEventType, WebhookFailure,
    WebhookUpdate,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::Problem;
use crate::views::{optional_time, time};
use crate::webhooks::{WebhookOptions, WebhookUrl};

/// A webhook to create.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewWebhook)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    /// The address that gets the events, such as `https://shop.example/events`.
    url: String,
    /// At most 200 characters, for people.
    description: Option<String>,
    /// The types of the events that are sent, such as `transfer.posted`; all without it.
    event_types: Option<Vec<String>>,
    /// The seconds from the first attempt after which an event becomes a dead letter: 259,200 (three
    /// days) without it, at most 2,592,000.
    #[schema(minimum = 1, maximum = 2_592_000)]
    dead_after_seconds: Option<u32>,
    /// The position behind which it begins; the end of the sealed order without it.
    after: Option<String>,
}

/// Members to change.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WebhookChanges)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesBody {
    /// The address that gets the events.
    url: Option<String>,
    /// At most 200 characters, for people.
    description: Option<String>,
    /// The types of the events that are sent; an empty list has all of them.
    event_types: Option<Vec<String>>,
    /// The seconds from the first attempt after which an event becomes a dead letter.
    #[schema(minimum = 1, maximum = 2_592_000)]
    dead_after_seconds: Option<u32>,
    /// `false` stops sending: the position stays, and later events wait.
    enabled: Option<bool>,
}

/// A rotation of a secret.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WebhookRotation)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateBody {
    /// The hours for which the secret of before signs too: 24 without it, at most 720. With 0 it ends
    /// at once.
    #[schema(minimum = 0, maximum = 720)]
    overlap_hours: Option<u32>,
}

/// A replay.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WebhookReplay)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayBody {
    /// The position behind which the events are sent; `0` sends all of them.
    after: String,
}

/// A page of dead letters to read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The cursor of the page before, its `next`.
    after: Option<String>,
    /// The most dead letters on the page, from 1 to 1,000; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// All webhooks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookList)]
pub(crate) struct ListView {
    pub(super) webhooks: Vec<WebhookView>,
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookView {
    webhook_id: Uuid,
    url: String,
    description: String,
    /// The types of the events that are sent; empty for all.
    event_types: Vec<String>,
    enabled: bool,
    /// The reason for which the service itself stopped sending.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<String>,
    dead_after_seconds: u32,
    #[serde(serialize_with = "time")]
    created_at: DateTime<Utc>,
    created_by: String,
    #[serde(
        serialize_with = "optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    secret_rotated_at: Option<DateTime<Utc>>,
    /// The time until which the secret of before the last rotation signs too.
    #[serde(
        serialize_with = "optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    previous_secret_until: Option<DateTime<Utc>>,
    /// The position of the last event that was accepted, not wanted or given up.
    position: String,
    /// The number of sealed events behind the position.
    waiting_events: String,
    /// The number of dead letters that were not redelivered.
    dead_letters: String,
    /// The event that is not accepted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureView>,
}

/// The event that a webhook has not accepted yet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookFailure)]
struct FailureView {
    position: String,
    /// The number of failed attempts.
    attempts: String,
    #[serde(serialize_with = "time")]
    first_attempt_at: DateTime<Utc>,
    #[serde(serialize_with = "time")]
    last_attempt_at: DateTime<Utc>,
    #[serde(serialize_with = "time")]
    next_attempt_at: DateTime<Utc>,
    /// The HTTP status of the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<i32>,
    last_error: String,
}

/// A webhook with its new secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub(crate) struct CreatedView {
    #[serde(flatten)]
    webhook: WebhookView,
    /// The secret, which is shown only this once.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/]+=*$")]
    secret: String,
}

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterPage)]
pub(super) struct DeadLetterPageView {
    dead_letters: Vec<DeadLetterView>,
    /// The cursor of the next page, for `after`; missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An event that a webhook has not accepted within its time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
struct DeadLetterView {
    position: String,
    /// The number of failed attempts.
    attempts: String,
    #[serde(serialize_with = "time")]
    first_attempt_at: DateTime<Utc>,
    #[serde(serialize_with = "time")]
    last_attempt_at: DateTime<Utc>,
    #[serde(serialize_with = "time")]
    dead_at: DateTime<Utc>,
    /// The HTTP status of the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<i32>,
    last_error: String,
    /// The time of a request for one more attempt that has not been made yet.
    #[serde(
        serialize_with = "optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    redelivery_requested_at: Option<DateTime<Utc>>,
    /// The time at which a later attempt was accepted.
    #[serde(
        serialize_with = "optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    redelivered_at: Option<DateTime<Utc>>,
}

/// The hours for which the secret of before a rotation signs too, if the caller names none.
const OVERLAP_HOURS: u32 = 24;

/// The most dead letters of a page without a limit.
const LIMIT: u32 = 100;

impl CreateBody {
    pub(super) fn read(&self, options: &WebhookOptions) -> Result<NewWebhook, Problem> {
        let mut new = NewWebhook::new(url(&self.url, options)?);
        new.description = self.description.clone().unwrap_or_default();
        new.event_types = event_types(self.event_types.as_deref().unwrap_or_default())?;
        if let Some(seconds) = self.dead_after_seconds {
            new.dead_after_seconds = seconds;
        }
        let after = self.after.as_deref();
        new.after = after.map(|text| position("after", text)).transpose()?;
        Ok(new)
    }
}

impl ChangesBody {
    pub(super) fn read(&self, options: &WebhookOptions) -> Result<WebhookUpdate, Problem> {
        let mut update = WebhookUpdate::default();
        let given = self.url.as_deref();
        update.url = given.map(|text| url(text, options)).transpose()?;
        update.description.clone_from(&self.description);
        update.event_types = self.event_types.as_deref().map(event_types).transpose()?;
        update.dead_after_seconds = self.dead_after_seconds;
        update.is_enabled = self.enabled;
        Ok(update)
    }
}

impl RotateBody {
    pub(super) fn overlap_seconds(&self) -> u32 {
        let hours = self.overlap_hours.unwrap_or(OVERLAP_HOURS);
        hours.saturating_mul(3_600)
    }
}

impl ReplayBody {
    pub(super) fn read(&self) -> Result<i64, Problem> {
        position("after", &self.after)
    }
}

impl Parameters {
    pub(super) fn after(&self) -> Result<i64, Problem> {
        let after = self.after.as_deref();
        let read = after.map(|text| position("after", text)).transpose();
        Ok(read?.unwrap_or_default())
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIMIT)
    }
}

impl CreatedView {
    pub(super) fn new(webhook: Webhook, secret: String) -> Self {
        Self {
            webhook: webhook.into(),
            secret,
        }
    }
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        let event_types = webhook.event_types.iter().map(ToString::to_string);
        Self {
            webhook_id: webhook.webhook_id.as_uuid(),
            event_types: event_types.collect(),
            position: webhook.position.to_string(),
            waiting_events: webhook.lag().to_string(),
            dead_letters: webhook.dead_letters.to_string(),
            url: webhook.url,
            description: webhook.description,
            enabled: webhook.is_enabled,
            disabled_reason: webhook.disabled_reason,
            dead_after_seconds: webhook.dead_after_seconds,
            created_at: webhook.created_at,
            created_by: webhook.created_by,
            secret_rotated_at: webhook.secret_rotated_at,
            previous_secret_until: webhook.previous_secret_until,
            failure: webhook.failure.map(Into::into),
        }
    }
}

impl From<WebhookFailure> for FailureView {
    fn from(failure: WebhookFailure) -> Self {
        Self {
            position: failure.position.to_string(),
            attempts: failure.attempts.to_string(),
            first_attempt_at: failure.first_attempt_at,
            last_attempt_at: failure.last_attempt_at,
            next_attempt_at: failure.next_attempt_at,
            last_status: failure.last_status,
            last_error: failure.last_error,
        }
    }
}

impl From<DeadLetterPage> for DeadLetterPageView {
    fn from(page: DeadLetterPage) -> Self {
        Self {
            dead_letters: page.dead_letters.into_iter().map(Into::into).collect(),
            next: page.next.map(|position| position.to_string()),
        }
    }
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        Self {
            position: letter.position.to_string(),
            attempts: letter.attempts.to_string(),
            first_attempt_at: letter.first_attempt_at,
            last_attempt_at: letter.last_attempt_at,
            dead_at: letter.dead_at,
            last_status: letter.last_status,
            last_error: letter.last_error,
            redelivery_requested_at: letter.redelivery_requested_at,
            redelivered_at: letter.redelivered_at,
        }
    }
}

/// Reads a position: a number from 0.
pub(super) fn position(field: &'static str, text: &str) -> Result<i64, Problem> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let position = text.parse().ok().filter(|_| is_number);
    let wrong = || format!("{:?} is not a position.", shortened(text));
    position.ok_or_else(|| Problem::malformed(field, wrong()))
}

fn url(text: &str, options: &WebhookOptions) -> Result<String, Problem> {
    let read = WebhookUrl::parse(text, options);
    let read = read.map_err(|error| Problem::invalid("url", format!("The address: {error}.")))?;
    Ok(read.as_str().to_owned())
}

fn event_types(names: &[String]) -> Result<Vec<WebhookEventType>, Problem> {
    let mut read = Vec::new();
    for name in names {
        let event_type = name.parse();
        let event_type: WebhookEventType =
            event_type.map_err(|error: neobank_domain::webhooks::NotAnEventType| {
                Problem::invalid("event_types", error.to_string())
            })?;
        if !read.contains(&event_type) {
            read.push(event_type);
        }
    }
    Ok(read)
}
