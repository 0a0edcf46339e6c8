use neobank_db::DatabaseError;
use thiserror::Error;

use crate::CustomerId;

/// The error of finding, creating or changing a customer. Every variant but
/// [`CustomerError::Database`] means that nothing was changed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum CustomerError {
    /// No customer has this identifier.
    #[error("unknown customer: {customer}")]
    UnknownCustomer {
        /// The identifier that the caller gave.
        customer: CustomerId,
    },
    /// A customer with this identifier exists already.
    #[error("customer {customer} exists already")]
    AlreadyExists {
        /// The customer's identifier.
        customer: CustomerId,
    },
    /// Another customer has this e-mail address, without regard to case.
    #[error("the e-mail address {email:?} belongs to another customer")]
    EmailTaken {
        /// The address that the caller gave.
        email: String,
    },
    /// Another customer has this number.
    #[error("the customer number {number:?} belongs to another customer")]
    NumberTaken {
        /// The number that the caller gave.
        number: String,
    },
    /// A field breaks one of its rules.
    #[error("{field} cannot be {value:?}: {reason}")]
    Invalid {
        /// The name of the field.
        field: &'static str,
        /// The value that the caller gave, cut to 1,000 characters.
        value: String,
        /// The rule that the value breaks.
        reason: String,
    },
    /// The update names no field.
    #[error("the update has no field")]
    EmptyUpdate,
    /// The database failed or rejected the statement. The change may have taken effect if the
    /// client lost the connection or the answer; see [`DatabaseError::ConnectionLost`].
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
