//! The conditions and the page of a list of transfers.

use chrono::{DateTime, Datelike, Utc};

use super::cursor::Position;
use super::{TransferCursor, TransferQueryError};
use crate::ledger::{
    Actor, EntryType, IDEMPOTENCY_KEY_LENGTH_MAX, Metadata, ReferenceNumber, TransferType,
};
use crate::{AccountId, GroupId, Money, TransferId, text};

/// The conditions and the page of a list of transfers.
///
/// A transfer is listed when it meets every condition that is set; without conditions, all are
/// listed.
///
/// # Example
///
/// ```
/// use neobank_domain::transfers::TransferFilter;
/// use neobank_domain::{AccountId, Money};
///
/// let account = AccountId::new();
/// let large = TransferFilter::default()
///     .with_account(account)
///     .with_at_least("10000.00 CZK".parse::<Money>()?)
///     .with_limit(50);
/// assert_eq!(large.account, Some(account));
/// # Ok::<(), neobank_domain::MoneyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferFilter {
    /// The account that pays or is paid.
    pub account: Option<AccountId>,
    /// The account on the other side; it needs [`TransferFilter::account`].
    pub counterparty: Option<AccountId>,
    /// The side of [`TransferFilter::account`], which it needs: `Debit` where the account pays.
    pub side: Option<EntryType>,
    /// The least amount; amounts in other currencies are not listed.
    pub at_least: Option<Money>,
    /// The greatest amount; amounts in other currencies are not listed.
    pub at_most: Option<Money>,
    /// The first moment of the range of booking times.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after the range of booking times.
    pub until: Option<DateTime<Utc>>,
    /// The kind of the transfer.
    pub transfer_type: Option<TransferType>,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
    /// The transfer's identifier.
    pub transfer_id: Option<TransferId>,
    /// The group whose transfers were posted together.
    pub group_id: Option<GroupId>,
    /// The transfer whose reversals are listed.
    pub reverses: Option<TransferId>,
    /// The person or program that asked for the transfer.
    pub actor: Option<Actor>,
    /// Members that the transfer's metadata has, with these values; it may have others.
    pub metadata: Option<Metadata>,
    /// The most transfers on the page, from 1 to [`TransferFilter::LIMIT_MAX`].
    pub limit: u32,
    /// The cursor that the previous page returned, with the same conditions.
    pub after: Option<TransferCursor>,
}

impl Default for TransferFilter {
    fn default() -> Self {
        Self {
            account: None,
            counterparty: None,
            side: None,
            at_least: None,
            at_most: None,
            from: None,
            until: None,
            transfer_type: None,
            idempotency_key: None,
            transfer_id: None,
            group_id: None,
            reverses: None,
            actor: None,
            metadata: None,
            limit: 100,
            after: None,
        }
    }
}

impl TransferFilter {
    /// The most transfers on one page.
    pub const LIMIT_MAX: u32 = 1_000;

    /// Sets the account that pays or is paid.
    #[must_use]
    pub fn with_account(mut self, account: impl Into<Option<AccountId>>) -> Self {
        self.account = account.into();
        self
    }

    /// Sets the account on the other side.
    #[must_use]
    pub fn with_counterparty(mut self, counterparty: impl Into<Option<AccountId>>) -> Self {
        self.counterparty = counterparty.into();
        self
    }

    /// Sets the side of the account: `Debit` where it pays, `Credit` where it is paid.
    #[must_use]
    pub fn with_side(mut self, side: impl Into<Option<EntryType>>) -> Self {
        self.side = side.into();
        self
    }

    /// Sets the least amount.
    #[must_use]
    pub fn with_at_least(mut self, amount: impl Into<Option<Money>>) -> Self {
        self.at_least = amount.into();
        self
    }

    /// Sets the greatest amount.
    #[must_use]
    pub fn with_at_most(mut self, amount: impl Into<Option<Money>>) -> Self {
        self.at_most = amount.into();
        self
    }

    /// Sets the first moment of the range of booking times.
    #[must_use]
    pub fn with_from(mut self, from: impl Into<Option<DateTime<Utc>>>) -> Self {
        self.from = from.into();
        self
    }

    /// Sets the first moment after the range of booking times.
    #[must_use]
    pub fn with_until(mut self, until: impl Into<Option<DateTime<Utc>>>) -> Self {
        self.until = until.into();
        self
    }

    /// Sets the kind of the transfer.
    #[must_use]
    pub fn with_transfer_type(mut self, kind: impl Into<Option<TransferType>>) -> Self {
        self.transfer_type = kind.into();
        self
    }

    /// Sets the caller's idempotency key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<Option<String>>) -> Self {
        self.idempotency_key = key.into();
        self
    }

    /// Sets the transfer's identifier.
    #[must_use]
    pub fn with_transfer_id(mut self, transfer: impl Into<Option<TransferId>>) -> Self {
        self.transfer_id = transfer.into();
        self
    }

    /// Sets the transfer's identifier by its reference number.
    #[must_use]
    pub fn with_reference_number(self, reference: impl Into<Option<ReferenceNumber>>) -> Self {
        self.with_transfer_id(reference.into().map(ReferenceNumber::transfer_id))
    }

    /// Sets the group whose transfers were posted together.
    #[must_use]
    pub fn with_group_id(mut self, group: impl Into<Option<GroupId>>) -> Self {
        self.group_id = group.into();
        self
    }

    /// Sets the transfer whose reversals are listed.
    #[must_use]
    pub fn with_reverses(mut self, transfer: impl Into<Option<TransferId>>) -> Self {
        self.reverses = transfer.into();
        self
    }

    /// Sets the person or program that asked for the transfer.
    #[must_use]
    pub fn with_actor(mut self, actor: impl Into<Option<Actor>>) -> Self {
        self.actor = actor.into();
        self
    }

    /// Sets members that the transfer's metadata has.
    #[must_use]
    pub fn with_metadata(mut self, metadata: impl Into<Option<Metadata>>) -> Self {
        self.metadata = metadata.into();
        self
    }

    /// Sets the most transfers on the page, from 1 to [`TransferFilter::LIMIT_MAX`].
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the cursor that the previous page returned.
    #[must_use]
    pub fn with_after(mut self, after: impl Into<Option<TransferCursor>>) -> Self {
        self.after = after.into();
        self
    }

    pub(super) fn check(&self) -> Result<(), TransferQueryError> {
        if !(1..=Self::LIMIT_MAX).contains(&self.limit) {
            return Err(TransferQueryError::Limit {
                limit: self.limit,
                limit_max: Self::LIMIT_MAX,
            });
        }
        if self.account.is_none() {
            let needy = [
                ("counterparty", self.counterparty.is_some()),
                ("side", self.side.is_some()),
            ];
            if let Some((field, _)) = needy.into_iter().find(|(_, is_set)| *is_set) {
                return Err(TransferQueryError::NeedsAccount { field });
            }
        }
        self.check_ranges()?;
        if let Some(key) = &self.idempotency_key {
            text::required(key, IDEMPOTENCY_KEY_LENGTH_MAX).map_err(|problem| {
                TransferQueryError::Text {
                    field: "idempotency_key",
                    reason: problem.to_string(),
                }
            })?;
        }
        self.check_cursor()
    }

    fn check_ranges(&self) -> Result<(), TransferQueryError> {
        if let (Some(at_least), Some(at_most)) = (self.at_least, self.at_most)
            && !at_least
                .partial_cmp(&at_most)
                .is_some_and(std::cmp::Ordering::is_le)
        {
            return Err(TransferQueryError::Amounts { at_least, at_most });
        }
        let (from, until) = (self.from, self.until);
        let is_storable = |moment: Option<DateTime<Utc>>| {
            moment.is_none_or(|moment| (1..=9999).contains(&moment.year()))
        };
        let is_backwards = from.zip(until).is_some_and(|(from, until)| from > until);
        if is_backwards || !is_storable(from) || !is_storable(until) {
            return Err(TransferQueryError::Times { from, until });
        }
        Ok(())
    }

    fn check_cursor(&self) -> Result<(), TransferQueryError> {
        let Some(cursor) = self.after else {
            return Ok(());
        };
        let of = match cursor.0 {
            Position::OfAll(_) => None,
            Position::OfAccount { account, .. } => Some(account),
        };
        if of == self.account {
            return Ok(());
        }
        let expected = self.account.map_or_else(
            || "this one names no account".to_owned(),
            |account| format!("this one is of account {account}"),
        );
        Err(TransferQueryError::OtherList { cursor, expected })
    }
}
