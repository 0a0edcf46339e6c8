use neobank_db::DatabaseError;
use thiserror::Error;

use crate::CustomerId;

/// Why a customer was not found, created or changed. Nothing was changed, whatever the reason.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum CustomerError {
    /// There is no such customer.
    #[error("unknown customer: {customer}")]
    UnknownCustomer {
        /// What was asked for.
        customer: CustomerId,
    },
    /// The customer exists already.
    #[error("customer {customer} exists already")]
    AlreadyExists {
        /// Its identifier.
        customer: CustomerId,
    },
    /// Another customer has this e-mail address, in whatever case.
    #[error("the e-mail address {email:?} belongs to another customer")]
    EmailTaken {
        /// What was given.
        email: String,
    },
    /// Another customer has this number.
    #[error("the customer number {number:?} belongs to another customer")]
    NumberTaken {
        /// What was given.
        number: String,
    },
    /// A field that cannot be kept.
    #[error("{field} cannot be {value:?}: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An update that names no field.
    #[error("the update has no field")]
    EmptyUpdate,
    /// The database failed or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
