//! The request that reverses an earlier transfer.

use super::{Attributes, builders};
use crate::{AccountId, Money, TransferId};

/// A request to move the money of an earlier transfer back, in whole or in part.
///
/// The ledger posts a new transfer from the payee to the payer and links it to the original. The
/// reversals of a transfer never sum to more than its amount. A reversal cannot be reversed, and the
/// payee must have the money. The reversals of the lines of a journal entry must sum to zero in one
/// group, as the lines themselves.
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
    /// Metadata and value date.
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
            attributes: Attributes::NONE,
            parties: None,
        }
    }

    /// Returns the reversal of a part of the transfer.
    #[must_use]
    pub const fn with_amount(mut self, amount: Money) -> Self {
        self.amount = Some(amount);
        self
    }
}

builders!(ReversalRequest: description, idempotency_key, metadata, value_date);
