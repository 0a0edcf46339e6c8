//! Checks of a request's texts and dates, and the descriptions of its entries.

use chrono::NaiveDate;

use super::LedgerState;
use super::state::{
    DESCRIPTION, DESCRIPTION_LENGTH_MAX, IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_LENGTH_MAX,
};
use crate::ledger::ReferenceNumber;
use crate::ledger::receipt::Receipt;
use crate::ledger::rejection::Rejection;
use crate::ledger::request::{Attributes, Request};
use crate::{AccountId, text};

impl LedgerState {
    pub(super) fn check_value_date(&self, attributes: &Attributes) -> Result<(), Rejection> {
        let Some(value_date) = attributes.value_date else {
            return Ok(());
        };
        let today = self.now.date_naive();
        let days = |days: u32| chrono::Days::new(u64::from(days));
        let earliest = today.checked_sub_days(days(self.rules.value_date_days_back));
        let latest = today.checked_add_days(days(self.rules.value_date_days_ahead));
        let (earliest, latest) = (
            earliest.unwrap_or(NaiveDate::MIN),
            latest.unwrap_or(NaiveDate::MAX),
        );
        if (earliest..=latest).contains(&value_date) {
            Ok(())
        } else {
            Err(Rejection::ValueDate {
                value_date,
                earliest,
                latest,
            })
        }
    }

    /// Rejects a transfer that would be booked or value-dated in a closed period.
    pub(super) fn require_open_days(
        &self,
        receipt: &Receipt,
        value_date: Option<NaiveDate>,
    ) -> Result<(), Rejection> {
        for account in [receipt.debit.account_id, receipt.credit.account_id] {
            let Some(open) = self.open_days.get(&account) else {
                continue;
            };
            let is_closed = receipt.posted_at < open.opens_at
                || value_date.is_some_and(|value_date| value_date < open.first_open_day);
            if is_closed {
                return Err(Rejection::PeriodClosed {
                    account,
                    currency: receipt.amount.currency(),
                    first_open_day: open.first_open_day,
                });
            }
        }
        Ok(())
    }

    /// Returns the description of an entry.
    pub(super) fn describe(&self, request: &Request, direction: &str, other: AccountId) -> String {
        let description = request.description();
        let beginning = match request {
            Request::Transfer(_) | Request::Capture(_) => {
                let other = self.accounts.get(&other);
                let number = other.map_or("", |account| account.account_number.as_str());
                format!("Transfer {direction} {number}")
            }
            Request::Reversal(reversal) => {
                let reference = ReferenceNumber::from(reversal.transfer);
                format!("Reversal of {reference}")
            }
            _ => return description.to_owned(),
        };
        match description {
            "" => beginning,
            _ => format!("{beginning}: {description}"),
        }
    }
}

pub(super) fn check_description(request: &Request) -> Result<(), Rejection> {
    text::printable(request.description(), DESCRIPTION_LENGTH_MAX)
        .map(drop)
        .map_err(|problem| Rejection::Text {
            field: DESCRIPTION,
            reason: problem.to_string(),
        })
}

/// Validates the idempotency key, before every other check: an invalid key has no transfer.
pub(super) fn check_key(request: &Request) -> Result<(), Rejection> {
    if let Some(key) = request.idempotency_key() {
        text::required(key, IDEMPOTENCY_KEY_LENGTH_MAX).map_err(|problem| Rejection::Text {
            field: IDEMPOTENCY_KEY,
            reason: problem.to_string(),
        })?;
    }
    Ok(())
}
