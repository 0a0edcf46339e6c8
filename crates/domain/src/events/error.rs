use neobank_db::DatabaseError;
use thiserror::Error;

/// The error of events that could not be read, or of a consumer that could not move.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum EventError {
    /// The limit is zero or too high.
    #[error("a page has 1 to {limit_max} events, not {limit}")]
    Limit {
        /// The number of events that the caller asked for.
        limit: u32,
        /// The most events of a page: [`LIMIT_MAX`](super::LIMIT_MAX).
        limit_max: u32,
    },
    /// The position is below zero.
    #[error("not a position: {position}")]
    Position {
        /// The position that the caller gave.
        position: i64,
    },
    /// The record at a position, or its seal, does not exist any more: the journal was changed past
    /// its guards. `neobank audit --chain` names what differs.
    #[error("the event at position {position} is missing")]
    Missing {
        /// The position of the missing event.
        position: i64,
    },
    /// The name of the consumer is empty or longer than 100 characters.
    #[error("the name of a consumer has 1 to 100 characters: {name:?}")]
    Name {
        /// The name that the caller gave, cut to 80 characters.
        name: String,
    },
    /// Another process with the consumer's name has moved it.
    #[error(
        "consumer {name} is not at position {position} any more: another process uses its name"
    )]
    Moved {
        /// The name of the consumer.
        name: String,
        /// The position at which this process had left it.
        position: i64,
    },
    /// The database failed or rejected the statement.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
