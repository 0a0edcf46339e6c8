use neobank_db::DatabaseError;
use thiserror::Error;

use super::{NotAnEventType, OVERLAP_SECONDS_MAX, WEBHOOKS_MAX, Webhook};
use crate::WebhookId;

/// The error of a webhook that was not created, found or changed. Every variant but
/// [`WebhookError::Database`] means that nothing was changed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The address is empty, longer than 2,000 characters, or has a character that cannot be kept.
    #[error("the webhook's address cannot be kept: {reason}")]
    Url {
        /// The defect of the address, without the address.
        reason: String,
    },
    /// The description is longer than 200 characters, or has a character that cannot be kept.
    #[error("the webhook's description cannot be kept: {reason}")]
    Description {
        /// The defect of the description.
        reason: String,
    },
    /// A text is not the type of an event.
    #[error(transparent)]
    EventType(#[from] NotAnEventType),
    /// The time to a dead letter is zero or too long.
    #[error(
        "an event becomes a dead letter after 1 to {} seconds, not {seconds}",
        Webhook::DEAD_AFTER_SECONDS_MAX
    )]
    DeadAfter {
        /// The number of seconds that the caller gave.
        seconds: u32,
    },
    /// The overlap of two secrets is too long.
    #[error("two secrets overlap for at most {OVERLAP_SECONDS_MAX} seconds, not {seconds}")]
    Overlap {
        /// The number of seconds that the caller gave.
        seconds: u32,
    },
    /// A text is not a secret. The error does not repeat it.
    #[error("a secret is whsec_ and the base64 of 24 to 64 bytes")]
    Secret,
    /// The position is not in the sealed order.
    #[error("position {position} is not sealed")]
    Position {
        /// The position that the caller gave.
        position: i64,
    },
    /// The page of dead letters has no length or is too long.
    #[error("a page has 1 to {limit_max} dead letters, not {limit}")]
    Limit {
        /// The number of dead letters that the caller asked for.
        limit: u32,
        /// The most dead letters of a page.
        limit_max: u32,
    },
    /// The bank has the most webhooks that it may have.
    #[error("a bank has at most {WEBHOOKS_MAX} webhooks")]
    TooMany,
    /// A webhook has this identifier already.
    #[error("a webhook has this identifier already")]
    AlreadyExists,
    /// No webhook has this identifier.
    #[error("no webhook has the identifier {webhook}")]
    Unknown {
        /// The identifier that the caller gave.
        webhook: WebhookId,
    },
    /// The webhook has no dead letter at this position.
    #[error("webhook {webhook} has no dead letter at position {position}")]
    UnknownDeadLetter {
        /// The identifier that the caller gave.
        webhook: WebhookId,
        /// The position that the caller gave.
        position: i64,
    },
    /// The transaction names no actor.
    #[error("a change of a webhook needs an actor")]
    ActorRequired,
    /// The database failed or rejected the statement.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
