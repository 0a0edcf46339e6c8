//! Dead letters: events that a webhook has not accepted within its time.

use chrono::{DateTime, Utc};
use neobank_db::{Executor, Statement};
use neobank_entity::banking::webhook_dead_letters::{Column, Entity, Model};
use sea_query::{Expr, ExprTrait, Order};
use serde::Serialize;

use super::WebhookError;
use crate::WebhookId;

/// An event that a webhook has not accepted within its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The position of the event.
    pub position: i64,
    /// The number of failed attempts.
    pub attempts: i64,
    /// The time of the first attempt.
    pub first_attempt_at: DateTime<Utc>,
    /// The time of the last attempt.
    pub last_attempt_at: DateTime<Utc>,
    /// The time at which the service gave the event up.
    pub dead_at: DateTime<Utc>,
    /// The HTTP status of the last answer.
    pub last_status: Option<i32>,
    /// The reason for which the last attempt failed.
    pub last_error: String,
    /// The time of a request for one more attempt that has not been made yet.
    pub redelivery_requested_at: Option<DateTime<Utc>>,
    /// The time at which a later attempt was accepted.
    pub redelivered_at: Option<DateTime<Utc>>,
}

/// A page of dead letters, in the order of their positions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterPage {
    /// The dead letters of this page.
    pub dead_letters: Vec<DeadLetter>,
    /// The position for the next page; `None` on the last page.
    pub next: Option<i64>,
}

impl DeadLetterPage {
    /// The most dead letters of a page.
    pub const LIMIT_MAX: u32 = 1_000;
}

/// Returns the dead letters of a webhook behind a position, at most `limit`; 0 is the beginning.
///
/// # Errors
///
/// [`WebhookError::Limit`] and [`WebhookError::Database`].
pub async fn dead_letters(
    on: &impl Executor,
    webhook: WebhookId,
    after: i64,
    limit: u32,
) -> Result<DeadLetterPage, WebhookError> {
    let limit_max = DeadLetterPage::LIMIT_MAX;
    if !(1..=limit_max).contains(&limit) {
        return Err(WebhookError::Limit { limit, limit_max });
    }
    let mut query = Entity::select();
    query
        .and_where(Expr::col((Entity, Column::WebhookId)).eq(webhook.as_uuid()))
        .and_where(Expr::col((Entity, Column::EventPosition)).gt(after))
        .order_by((Entity, Column::EventPosition), Order::Asc)
        // A row beyond the limit means that there is a next page.
        .limit(u64::from(limit).saturating_add(1));
    let mut rows: Vec<Model> = on.fetch_many(Statement::from_query(&query)).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(|row| row.event_position);
    Ok(DeadLetterPage {
        dead_letters: rows.into_iter().map(Into::into).collect(),
        next: next.filter(|_| has_more),
    })
}

impl From<Model> for DeadLetter {
    fn from(row: Model) -> Self {
        Self {
            position: row.event_position,
            attempts: row.attempt_count,
            first_attempt_at: row.first_attempt_at,
            last_attempt_at: row.last_attempt_at,
            dead_at: row.dead_at,
            last_status: row.last_status,
            last_error: row.last_error,
            redelivery_requested_at: row.redelivery_requested_at,
            redelivered_at: row.redelivered_at,
        }
    }
}
