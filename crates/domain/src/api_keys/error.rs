use neobank_db::DatabaseError;
use thiserror::Error;

use super::NotAScope;
use crate::ApiKeyId;

/// The error of a key that was not created, found or revoked. Every variant but
/// [`ApiKeyError::Database`] means that nothing was changed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The name has no character or more than 100, or one that cannot be kept.
    #[error("the key's name cannot be kept: {reason}")]
    Name {
        /// The defect of the name.
        reason: String,
    },
    /// The key has no scope.
    #[error("a key needs a scope, such as accounts:read")]
    NoScope,
    /// A text is not a scope.
    #[error(transparent)]
    Scope(#[from] NotAScope),
    /// The key would expire before it exists.
    #[error("a key must expire in the future")]
    Expired,
    /// A customer of the bindings does not exist, or is named twice.
    #[error("the key is bound to customers that do not exist, or to one twice")]
    UnknownCustomers,
    /// An account of the bindings is no customer's, or is named twice.
    #[error("the key is bound to accounts that no customer has, or to one twice")]
    UnknownAccounts,
    /// No key in force has this identifier.
    #[error("no key in force has the identifier {api_key}")]
    Unknown {
        /// The identifier that the caller gave.
        api_key: ApiKeyId,
    },
    /// The transaction names no actor.
    #[error("creating and revoking a key need an actor")]
    ActorRequired,
    /// The database failed or rejected the statement.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
