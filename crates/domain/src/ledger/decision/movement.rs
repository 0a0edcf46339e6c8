//! The movement that every request but a group results in: an amount from one account to another.

use chrono::{DateTime, SubsecRound, Utc};
use neobank_entity::enums::{EntryType, TransferType};
use rust_decimal::Decimal;

use super::{AccountState, Capture, Identifiers, LedgerState};
use crate::accounts::AccountStatus;
use crate::ledger::receipt::Receipt;
use crate::ledger::rejection::Rejection;
use crate::ledger::request::{
    AdjustmentRequest, AmountLimit, PostingRequest, Request, ReversalRequest, SystemAccount,
    TransferRequest,
};
use crate::{AccountId, Currency, Money, TransferId};

/// The earliest time of an imported event: the year 1. PostgreSQL and its clients agree on all
/// times since.
const EVENT_TIME_MIN: DateTime<Utc> = match DateTime::from_timestamp(-62_135_596_800, 0) {
    Some(time) => time,
    None => DateTime::UNIX_EPOCH,
};

/// An amount that moves from one account to another.
pub(super) struct Movement {
    transfer_type: TransferType,
    pub(super) from: AccountId,
    pub(super) to: AccountId,
    amount: Money,
    event_time: Option<DateTime<Utc>>,
    reverses: Option<TransferId>,
    pub(super) capture: Option<Capture>,
}

impl Movement {
    /// Returns the movement of an amount that a hold has reserved.
    pub(super) const fn of_capture(
        from: AccountId,
        to: AccountId,
        amount: Money,
        capture: Capture,
    ) -> Self {
        Self {
            transfer_type: TransferType::Transfer,
            from,
            to,
            amount,
            event_time: None,
            reverses: None,
            capture: Some(capture),
        }
    }
}

impl LedgerState {
    /// Returns the movement of a request; `None` if the request is allowed to move nothing and
    /// does.
    pub(super) fn movement(&self, request: &Request) -> Result<Option<Movement>, Rejection> {
        match request {
            Request::Transfer(transfer) => self.transfer(transfer),
            Request::Posting(posting) => self.posting(posting).map(Some),
            Request::Adjustment(adjustment) => self.adjustment(adjustment).map(Some),
            Request::Reversal(reversal) => self.reversal(reversal).map(Some),
            Request::Capture(capture) => self.capture(capture).map(Some),
            Request::Hold(_) | Request::Release(_) | Request::Expiry(_) => {
                Err(Rejection::NoTransfer)
            }
            Request::Group(_) => Err(Rejection::NestedGroup),
        }
    }

    /// Makes the two entries of a movement, if the balances allow it.
    pub(super) fn entries(
        &self,
        identifiers: Identifiers,
        movement: &Movement,
    ) -> Result<Receipt, Rejection> {
        let from = self.active(movement.from, movement.amount.currency())?;
        let to = self.active(movement.to, movement.amount.currency())?;
        let posted_at = self.time_of(movement, from, to)?;
        let without_captured;
        let from = match &movement.capture {
            None => from,
            Some(capture) => {
                without_captured = Self::without_captured(from, movement.amount, capture)?;
                &without_captured
            }
        };
        from.require_available(movement.amount)?;
        Ok(Receipt {
            transfer_id: identifiers.transfer_id,
            transfer_type: movement.transfer_type,
            amount: movement.amount,
            debit: from.entry(identifiers.debit_id, movement.amount.negated())?,
            credit: to.entry(identifiers.credit_id, movement.amount)?,
            posted_at,
            reverses: movement.reverses,
            hold: movement.capture.as_ref().map(|capture| capture.hold),
        })
    }

    fn transfer(&self, request: &TransferRequest) -> Result<Option<Movement>, Rejection> {
        if request.from == request.to {
            return Err(Rejection::SameAccount {
                account: request.from,
            });
        }
        require_positive(request.amount)?;
        for account in [request.from, request.to] {
            self.customers_account(account, request.amount.currency())?;
        }
        let Some(amount) = self.limited(request)? else {
            return Ok(None);
        };
        Ok(Some(Movement {
            transfer_type: TransferType::Transfer,
            from: request.from,
            to: request.to,
            amount,
            event_time: None,
            reverses: None,
            capture: None,
        }))
    }

    /// Returns the amount that a transfer moves; `None` if it moves nothing.
    fn limited(&self, request: &TransferRequest) -> Result<Option<Money>, Rejection> {
        let requested = request.amount;
        if request.limit == AmountLimit::Exact {
            return Ok(Some(requested));
        }
        let payer = self.active(request.from, requested.currency())?;
        let available = payer.available().unwrap_or_default().max(Decimal::ZERO);
        let amount = Money::new(available.min(requested.amount()), requested.currency())?;
        match request.limit {
            _ if amount.is_positive() => Ok(Some(amount)),
            AmountLimit::UpToOrNothing => Ok(None),
            // The payer has nothing: the amount is more than is available.
            _ => payer.require_available(requested).map(|()| None),
        }
    }

    fn posting(&self, request: &PostingRequest) -> Result<Movement, Rejection> {
        require_positive(request.amount)?;
        require_no_leap_second(request.event_time)?;
        let system = request.kind.system_account().id(request.amount.currency());
        self.customers_account(request.account, request.amount.currency())?;
        let (from, to) = match request.direction {
            EntryType::Credit => (system, request.account),
            EntryType::Debit => (request.account, system),
        };
        Ok(Movement {
            transfer_type: request.transfer_type(),
            from,
            to,
            amount: request.amount,
            // PostgreSQL stores microseconds; a replay would return another time than a finer one.
            event_time: request.event_time.map(|time| time.trunc_subsecs(6)),
            reverses: None,
            capture: None,
        })
    }

    fn adjustment(&self, request: &AdjustmentRequest) -> Result<Movement, Rejection> {
        let currency = request.new_balance.currency();
        let account = self.customers_account(request.account, currency)?;
        if account.version != request.expected_version {
            return Err(Rejection::StaleVersion {
                account: request.account,
                expected: request.expected_version,
                found: account.version,
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
        Ok(Movement {
            transfer_type: TransferType::Adjustment,
            from,
            to,
            amount,
            event_time: None,
            reverses: None,
            capture: None,
        })
    }

    /// Returns the movement back, from the original's payee to its payer.
    fn reversal(&self, request: &ReversalRequest) -> Result<Movement, Rejection> {
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
            transfer_type: TransferType::Reversal,
            from: original.to,
            to: original.from,
            amount,
            event_time: None,
            reverses: Some(transfer),
            capture: None,
        })
    }

    /// Returns the time of a movement. The times of an account's entries never go back, even when
    /// the clock does.
    fn time_of(
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

    fn active(
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
