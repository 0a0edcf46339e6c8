//! The request that reverses an earlier transfer.

use super::{Attributes, with_attributes};
use crate::{AccountId, Money, TransferId};

/// A request to move the money of an earlier transfer back, in whole or in part.
///
/// The ledger posts a new transfer from the payee to the payer and links it to the original. The
/// reversals of a transfer never sum to more than its amount. A reversal cannot be reversed, and the
/// payee must have the money.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReversalRequest {
    /// The transfer to reverse.
    pub transfer: TransferId,
    /// The amount, more than zero; `None` for all that earlier reversals have left.
    pub amount: Option<Money>,
    /// The description for people, at most 500 characters.
    pub description: String,
    /// The caller's idempotency key, at most 255 characters: however often the caller repeats the
    /// request, the reversal happens once.
    pub idempotency_key: Option<String>,
    /// What the request has besides.
    pub attributes: Attributes,
    /// The original's payer and payee, which the ledger looks up before it locks them.
    pub(in crate::ledger) parties: Option<[AccountId; 2]>,
}

impl ReversalRequest {
    /// Returns the reversal of all that earlier reversals have left of a transfer.
    #[must_use]
    pub const fn new(transfer: TransferId) -> Self {
        Self {
            transfer,
            amount: None,
            description: String::new(),
            idempotency_key: None,
            attributes: Attributes {
                metadata: None,
                value_date: None,
            },
            parties: None,
        }
    }

    /// Returns the reversal of a part of the transfer.
    #[must_use]
    pub const fn with_amount(mut self, amount: Money) -> Self {
        self.amount = Some(amount);
        self
    }

    /// Returns the reversal with a description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Returns the reversal with an idempotency key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

with_attributes!(ReversalRequest);
