//! The movements of postings, adjustments and reversals, and their accounts and times.

use chrono::{DateTime, SubsecRound, Utc};
use neobank_entity::enums::{EntryType, TransferType};

use super::{AccountState, Capture, LedgerState};
use crate::accounts::AccountStatus;
use crate::ledger::rejection::Rejection;
use crate::ledger::request::{AdjustmentRequest, PostingRequest, ReversalRequest, SystemAccount};
use crate::{AccountId, Currency, Money, TransferId};

/// The earliest time of an imported event: the year 1. PostgreSQL and its clients agree on all
/// times since.
const EVENT_TIME_MIN: DateTime<Utc> = match DateTime::from_timestamp(-62_135_596_800, 0) {
    Some(time) => time,
    None => DateTime::UNIX_EPOCH,
};

/// An amount that moves from one account to another.
pub(super) struct Movement {
    pub(super) transfer_type: TransferType,
    pub(super) from: AccountId,
    pub(super) to: AccountId,
    pub(super) amount: Money,
    pub(super) event_time: Option<DateTime<Utc>>,
    pub(super) reverses: Option<TransferId>,
    pub(super) capture: Option<Capture>,
}

impl Movement {
    /// Returns the movement of an amount at the time of posting.
    pub(super) const fn new(
        transfer_type: TransferType,
        from: AccountId,
        to: AccountId,
        amount: Money,
    ) -> Self {
        Self {
            transfer_type,
            from,
            to,
            amount,
            event_time: None,
            reverses: None,
            capture: None,
        }
    }
}

impl LedgerState {
    pub(super) fn posting(&self, request: &PostingRequest) -> Result<Movement, Rejection> {
        require_positive(request.amount)?;
        require_no_leap_second(request.event_time)?;
        let system = request.kind.system_account().id(request.amount.currency());
        self.customers_account(request.account, request.amount.currency())?;
        let (from, to) = match request.direction {
            EntryType::Credit => (system, request.account),
            EntryType::Debit => (request.account, system),
        };
        Ok(Movement {
            // PostgreSQL stores microseconds; a replay would return another time than a finer one.
            event_time: request.event_time.map(|time| time.trunc_subsecs(6)),
            ..Movement::new(request.transfer_type(), from, to, request.amount)
        })
    }

    pub(super) fn adjustment(&self, request: &AdjustmentRequest) -> Result<Movement, Rejection> {
        let currency = request.new_balance.currency();
        let account = self.customers_account(request.account, currency)?;
        let version = self.version_without_ends(account);
        if version != request.expected_version {
            return Err(Rejection::StaleVersion {
                account: request.account,
                expected: request.expected_version,
                found: version,
            });
        }
        let change = request.new_balance.checked_sub(account.balance()?)?;
        if change.is_zero() {
            return Err(Rejection::BalanceUnchanged {
                account: request.account,
                balance: request.new_balance,
            });
        }
        let system = SystemAccount::Adjustment.id(currency);
        let (from, to, amount) = if change.is_positive() {
            (system, request.account, change)
        } else {
            (request.account, system, change.negated())
        };
        Ok(Movement::new(TransferType::Adjustment, from, to, amount))
    }

    /// Returns the movement back, from the original's payee to its payer.
    pub(super) fn reversal(&self, request: &ReversalRequest) -> Result<Movement, Rejection> {
        if let Some(amount) = request.amount {
            require_positive(amount)?;
        }
        let transfer = request.transfer;
        // Without its parties, the transfer did not exist when the ledger looked for its accounts.
        let original = request.parties.and_then(|_| self.originals.get(&transfer));
        let original = original.ok_or(Rejection::UnknownTransfer { transfer })?;
        if original.transfer_type == TransferType::Reversal {
            return Err(Rejection::ReversalOfReversal { transfer });
        }
        let reversed = Money::new(original.reversed, original.amount.currency())?;
        let left = original.amount.checked_sub(reversed)?;
        let amount = request.amount.unwrap_or(left);
        if amount.currency() != left.currency() {
            return Err(Rejection::CurrencyMismatch {
                account: original.to,
                account_currency: left.currency(),
                currency: amount.currency(),
            });
        }
        if !left.is_positive() {
            return Err(Rejection::AlreadyReversed { transfer });
        }
        if amount.amount() > left.amount() {
            return Err(Rejection::MoreThanRemains {
                transfer,
                left,
                requested: amount,
            });
        }
        Ok(Movement {
            reverses: Some(transfer),
            ..Movement::new(TransferType::Reversal, original.to, original.from, amount)
        })
    }

    /// Returns the time of a movement. The times of an account's entries never go back, even when
    /// the clock does.
    pub(super) fn time_of(
        &self,
        movement: &Movement,
        from: &AccountState,
        to: &AccountState,
    ) -> Result<DateTime<Utc>, Rejection> {
        let now = self.now.trunc_subsecs(6);
        let Some(event_time) = movement.event_time else {
            return Ok([from.last_entry_at, to.last_entry_at]
                .into_iter()
                .flatten()
                .fold(now, DateTime::max));
        };
        for account in [from, to] {
            // An opening ahead of the clock does not count: the clock was set back.
            let opened_at = account.opened_at.filter(|opened_at| *opened_at <= now);
            let earliest = account
                .last_entry_at
                .max(opened_at)
                .unwrap_or(EVENT_TIME_MIN);
            if event_time < earliest || event_time > now {
                return Err(Rejection::EventTime {
                    account: account.account_id,
                    event_time,
                    earliest,
                    latest: now,
                });
            }
        }
        Ok(event_time)
    }

    /// Returns an active account of a customer.
    pub(super) fn customers_account(
        &self,
        account: AccountId,
        currency: Currency,
    ) -> Result<&AccountState, Rejection> {
        let state = self.active(account, currency)?;
        if state.overdraft_limit.is_none() {
            return Err(Rejection::SystemAccount { account });
        }
        Ok(state)
    }

    pub(super) fn active(
        &self,
        account_id: AccountId,
        currency: Currency,
    ) -> Result<&AccountState, Rejection> {
        let account = self
            .accounts
            .get(&account_id)
            .ok_or(Rejection::UnknownAccount {
                account: account_id,
            })?;
        if account.status != AccountStatus::Active {
            return Err(Rejection::NotActive {
                account: account_id,
                status: account.status,
            });
        }
        if account.currency != currency {
            return Err(Rejection::CurrencyMismatch {
                account: account_id,
                account_currency: account.currency,
                currency,
            });
        }
        Ok(account)
    }
}

/// Rejects a leap second: the database has none, and would store the next second.
fn require_no_leap_second(event_time: Option<DateTime<Utc>>) -> Result<(), Rejection> {
    match event_time {
        Some(time) if time.timestamp_subsec_nanos() >= 1_000_000_000 => {
            Err(Rejection::LeapSecond { event_time: time })
        }
        _ => Ok(()),
    }
}

pub(super) fn require_positive(amount: Money) -> Result<(), Rejection> {
    if amount.is_positive() {
        Ok(())
    } else {
        Err(Rejection::AmountNotPositive { amount })
    }
}
