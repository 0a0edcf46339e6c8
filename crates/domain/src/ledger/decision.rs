//! The ledger's decision: a pure function from balances and requests to outcomes and entries. It
//! reads no clock, no database and no random number.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, SubsecRound, Utc};
use neobank_entity::enums::{EntryType, TransferType};
use rust_decimal::Decimal;

use super::receipt::{EntryReceipt, Outcome, Receipt};
use super::rejection::Rejection;
use super::request::{AdjustmentRequest, PostingRequest, Request, SystemAccount, TransferRequest};
use crate::accounts::AccountStatus;
use crate::text;
use crate::{AccountId, Currency, EntryId, Money, TransferId};

/// An account as it was read, or as the earlier requests of the batch left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// The account's identifier.
    pub account_id: AccountId,
    /// The account's number, for the descriptions of entries.
    pub account_number: String,
    /// The account's currency.
    pub currency: Currency,
    /// The account's status; only an active account can have an entry.
    pub status: AccountStatus,
    /// The book balance.
    pub balance: Decimal,
    /// The reserved part of the balance.
    pub held: Decimal,
    /// The overdraft limit, in major units; `None` for the bank's own accounts, which have no
    /// limit.
    pub overdraft_limit: Option<Decimal>,
    /// The number of the newest entry; 0 for an account without entries.
    pub last_entry_number: i64,
    /// The time of the newest entry.
    pub last_entry_at: Option<DateTime<Utc>>,
    /// The time of opening; `None` for the bank's own accounts, which take entries of any time.
    pub opened_at: Option<DateTime<Utc>>,
    /// The version, which every change increments.
    pub version: i64,
}

/// A transfer that was posted before under the idempotency key of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedTransfer {
    /// The hash of the request that was posted.
    pub request_hash: [u8; 32],
    /// The receipt of the transfer.
    pub receipt: Receipt,
}

/// The state that a decision depends on.
#[derive(Clone, Debug)]
pub struct LedgerState {
    /// The accounts of the requests, as far as they exist.
    pub accounts: BTreeMap<AccountId, AccountState>,
    /// The completed transfers with the requests' idempotency keys.
    pub completed: HashMap<String, CompletedTransfer>,
    /// The time of the decision.
    pub now: DateTime<Utc>,
}

/// A request with the identifiers of its future transfer and entries, which are the same in every
/// attempt.
#[derive(Clone, Debug)]
pub struct IdentifiedRequest<'a> {
    /// The request.
    pub request: &'a Request,
    /// [`Request::hash`] of a request with an idempotency key; a request without one needs none.
    pub request_hash: Option<[u8; 32]>,
    /// The transfer's identifier.
    pub transfer_id: TransferId,
    /// The debit's identifier.
    pub debit_id: EntryId,
    /// The credit's identifier.
    pub credit_id: EntryId,
}

/// The transfers to write, and the outcome for each caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// One outcome for each request, in their order.
    pub outcomes: Vec<Outcome>,
    /// One transfer for each posted request.
    pub transfers: Vec<NewTransfer>,
}

/// A transfer to write, with its two entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTransfer {
    /// The caller's receipt.
    pub receipt: Receipt,
    /// The description, in the caller's words.
    pub description: String,
    /// The description of the debit.
    pub debit_description: String,
    /// The description of the credit.
    pub credit_description: String,
    /// The idempotency key with the hash of the request.
    pub key: Option<(String, [u8; 32])>,
}

/// The most characters of a description.
pub const DESCRIPTION_LENGTH_MAX: usize = 500;
/// The most characters of an idempotency key.
pub const IDEMPOTENCY_KEY_LENGTH_MAX: usize = 255;

const DESCRIPTION: &str = "description";
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// The earliest time of an imported event: the year 1. PostgreSQL and its clients agree on all
/// times since.
const EVENT_TIME_MIN: DateTime<Utc> = match DateTime::from_timestamp(-62_135_596_800, 0) {
    Some(time) => time,
    None => DateTime::UNIX_EPOCH,
};

/// Decides on requests in their order: each sees the balances that the earlier ones left.
/// Afterwards the state is as the database will be when the decision is written.
///
/// # Example
///
/// ```
/// use std::collections::{BTreeMap, HashMap};
/// use neobank_domain::ledger::{
///     IdentifiedRequest, LedgerState, Outcome, Rejection, Request, TransferRequest, decide,
/// };
/// use neobank_domain::{AccountId, Currency, EntryId, Money, TransferId};
///
/// let (from, to) = (AccountId::new(), AccountId::new());
/// let amount = Money::parse("10", Currency::from_code("EUR")?)?;
/// let request = Request::from(TransferRequest::new(from, to, amount));
/// let identified = IdentifiedRequest {
///     request: &request,
///     request_hash: None,
///     transfer_id: TransferId::new(),
///     debit_id: EntryId::new(),
///     credit_id: EntryId::new(),
/// };
/// let mut state = LedgerState {
///     accounts: BTreeMap::new(),
///     completed: HashMap::new(),
///     now: chrono::Utc::now(),
/// };
/// let decision = decide(&mut state, &[identified]);
/// let unknown = Rejection::UnknownAccount { account: from };
/// assert_eq!(decision.outcomes, [Outcome::Rejected(unknown)]);
/// # Ok::<(), neobank_domain::MoneyError>(())
/// ```
#[must_use]
pub fn decide(state: &mut LedgerState, requests: &[IdentifiedRequest<'_>]) -> Decision {
    let mut decision = Decision::default();
    for identified in requests {
        let outcome = match state.decide_one(identified) {
            Ok(Verdict::Completed(receipt)) => Outcome::Replayed(receipt),
            Ok(Verdict::New(transfer)) => {
                let receipt = transfer.receipt.clone();
                state.keep(&transfer);
                decision.transfers.push(transfer);
                Outcome::Posted(receipt)
            }
            Err(rejection) => Outcome::Rejected(rejection),
        };
        decision.outcomes.push(outcome);
    }
    decision
}

/// Returns the identifiers of new transfers, in their order.
pub(super) fn transfer_ids(transfers: &[NewTransfer]) -> Vec<TransferId> {
    let receipts = transfers.iter().map(|transfer| &transfer.receipt);
    receipts.map(|receipt| receipt.transfer_id).collect()
}

/// The decision on a request that is not rejected.
enum Verdict {
    Completed(Receipt),
    New(NewTransfer),
}

/// The movement that every kind of request results in: an amount from one account to another.
struct Movement {
    transfer_type: TransferType,
    from: AccountId,
    to: AccountId,
    amount: Money,
    event_time: Option<DateTime<Utc>>,
}

impl LedgerState {
    fn decide_one(&self, identified: &IdentifiedRequest<'_>) -> Result<Verdict, Rejection> {
        let request = identified.request;
        check_key(request)?;
        let key = request.idempotency_key().map(|key| {
            (
                key.to_owned(),
                identified.request_hash.unwrap_or_else(|| request.hash()),
            )
        });
        if let Some((key, hash)) = &key
            && let Some(completed) = self.completed.get(key)
        {
            return if completed.request_hash == *hash {
                Ok(Verdict::Completed(completed.receipt.clone()))
            } else {
                Err(Rejection::KeyReused {
                    key: key.clone(),
                    first: completed.receipt.transfer_id,
                })
            };
        }
        check_description(request)?;
        let movement = match request {
            Request::Transfer(transfer) => self.transfer(transfer)?,
            Request::Posting(posting) => self.posting(posting)?,
            Request::Adjustment(adjustment) => self.adjustment(adjustment)?,
        };
        let receipt = self.entries(identified, &movement)?;
        Ok(Verdict::New(NewTransfer {
            debit_description: self.describe(request, "to", movement.to),
            credit_description: self.describe(request, "from", movement.from),
            description: request.description().to_owned(),
            receipt,
            key,
        }))
    }

    fn transfer(&self, request: &TransferRequest) -> Result<Movement, Rejection> {
        if request.from == request.to {
            return Err(Rejection::SameAccount {
                account: request.from,
            });
        }
        require_positive(request.amount)?;
        for account in [request.from, request.to] {
            if self
                .active(account, request.amount.currency())?
                .overdraft_limit
                .is_none()
            {
                return Err(Rejection::SystemAccount { account });
            }
        }
        Ok(Movement {
            transfer_type: TransferType::Transfer,
            from: request.from,
            to: request.to,
            amount: request.amount,
            event_time: None,
        })
    }

    fn posting(&self, request: &PostingRequest) -> Result<Movement, Rejection> {
        require_positive(request.amount)?;
        require_no_leap_second(request.event_time)?;
        let system = request.kind.system_account().id(request.amount.currency());
        if self
            .active(request.account, request.amount.currency())?
            .overdraft_limit
            .is_none()
        {
            return Err(Rejection::SystemAccount {
                account: request.account,
            });
        }
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
        })
    }

    fn adjustment(&self, request: &AdjustmentRequest) -> Result<Movement, Rejection> {
        let currency = request.new_balance.currency();
        let account = self.active(request.account, currency)?;
        if account.overdraft_limit.is_none() {
            return Err(Rejection::SystemAccount {
                account: request.account,
            });
        }
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
        })
    }

    /// Makes the two entries of a movement, if the balances allow it.
    fn entries(
        &self,
        identified: &IdentifiedRequest<'_>,
        movement: &Movement,
    ) -> Result<Receipt, Rejection> {
        let from = self.active(movement.from, movement.amount.currency())?;
        let to = self.active(movement.to, movement.amount.currency())?;
        let posted_at = self.time_of(movement, from, to)?;
        from.require_available(movement.amount)?;
        Ok(Receipt {
            transfer_id: identified.transfer_id,
            transfer_type: movement.transfer_type,
            amount: movement.amount,
            debit: from.entry(identified.debit_id, movement.amount.negated())?,
            credit: to.entry(identified.credit_id, movement.amount)?,
            posted_at,
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

    fn describe(&self, request: &Request, direction: &str, other: AccountId) -> String {
        let description = request.description();
        let Request::Transfer(_) = request else {
            return description.to_owned();
        };
        let number = self
            .accounts
            .get(&other)
            .map_or("", |account| account.account_number.as_str());
        match description {
            "" => format!("Transfer {direction} {number}"),
            _ => format!("Transfer {direction} {number}: {description}"),
        }
    }

    /// Applies a transfer to the state, for the requests after it.
    fn keep(&mut self, transfer: &NewTransfer) {
        for entry in [&transfer.receipt.debit, &transfer.receipt.credit] {
            if let Some(account) = self.accounts.get_mut(&entry.account_id) {
                account.balance = entry.running_balance.amount();
                account.last_entry_number = entry.entry_number;
                account.last_entry_at = Some(transfer.receipt.posted_at);
                account.version = account.version.saturating_add(1);
            }
        }
        if let Some((key, request_hash)) = &transfer.key {
            let completed = CompletedTransfer {
                request_hash: *request_hash,
                receipt: transfer.receipt.clone(),
            };
            self.completed.insert(key.clone(), completed);
        }
    }
}

impl AccountState {
    fn balance(&self) -> Result<Money, Rejection> {
        Ok(Money::new(self.balance, self.currency)?)
    }

    fn require_available(&self, requested: Money) -> Result<(), Rejection> {
        let Some(limit) = self.overdraft_limit else {
            return Ok(());
        };
        let overflow = || Rejection::Overflow {
            account: self.account_id,
            balance: Money::zero(self.currency),
            amount: requested,
        };
        let available = self
            .balance
            .checked_sub(self.held)
            .and_then(|unreserved| unreserved.checked_add(limit))
            .ok_or_else(overflow)?;
        if available < requested.amount() {
            return Err(Rejection::InsufficientFunds {
                account: self.account_id,
                available: Money::new(available, self.currency)?,
                requested,
            });
        }
        Ok(())
    }

    fn entry(&self, transaction_id: EntryId, change: Money) -> Result<EntryReceipt, Rejection> {
        let balance = self.balance()?;
        let overflow = || Rejection::Overflow {
            account: self.account_id,
            balance,
            amount: change,
        };
        let running_balance = balance.checked_add(change).map_err(|_| overflow())?;
        // The available balance after the entry must be an amount too.
        if let Some(limit) = self.overdraft_limit {
            running_balance
                .amount()
                .checked_sub(self.held)
                .and_then(|unreserved| unreserved.checked_add(limit))
                .and_then(|available| Money::new(available, self.currency).ok())
                .ok_or_else(overflow)?;
        }
        Ok(EntryReceipt {
            transaction_id,
            account_id: self.account_id,
            entry_number: self.last_entry_number.checked_add(1).ok_or_else(overflow)?,
            running_balance,
        })
    }
}

fn check_description(request: &Request) -> Result<(), Rejection> {
    text::printable(request.description(), DESCRIPTION_LENGTH_MAX)
        .map(drop)
        .map_err(|problem| Rejection::Text {
            field: DESCRIPTION,
            reason: problem.to_string(),
        })
}

/// Validates the idempotency key, before every other check: an invalid key has no transfer.
fn check_key(request: &Request) -> Result<(), Rejection> {
    if let Some(key) = request.idempotency_key() {
        text::required(key, IDEMPOTENCY_KEY_LENGTH_MAX).map_err(|problem| Rejection::Text {
            field: IDEMPOTENCY_KEY,
            reason: problem.to_string(),
        })?;
    }
    Ok(())
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

fn require_positive(amount: Money) -> Result<(), Rejection> {
    if amount.is_positive() {
        Ok(())
    } else {
        Err(Rejection::AmountNotPositive { amount })
    }
}

#[cfg(test)]
mod tests;
