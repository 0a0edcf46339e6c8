//! The pure middle of the ledger: balances and requests in, outcomes and entries out. No clock, no database, no chance.

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

/// An account as it was read under its lock, and as the requests before have left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// Identifies it.
    pub account_id: AccountId,
    /// Its number, for the descriptions of entries.
    pub account_number: String,
    /// Its currency.
    pub currency: Currency,
    /// Whether it may move.
    pub status: AccountStatus,
    /// The book balance.
    pub balance: Decimal,
    /// The part of it that is reserved.
    pub held: Decimal,
    /// How far below zero it may go; `None` for the bank's own accounts, which have no limit.
    pub overdraft_limit: Option<Decimal>,
    /// The number of its newest entry; 0 when it has none.
    pub last_entry_number: i64,
    /// The time of its newest entry.
    pub last_entry_at: Option<DateTime<Utc>>,
    /// When it was opened; `None` for the bank's own accounts, which take the history of others.
    pub opened_at: Option<DateTime<Utc>>,
    /// Moves with every change.
    pub version: i64,
}

/// A transfer that happened before under a key that a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedTransfer {
    /// The hash of the request that it was.
    pub request_hash: [u8; 32],
    /// Its receipt.
    pub receipt: Receipt,
}

/// What the decision is made on.
#[derive(Clone, Debug)]
pub struct LedgerState {
    /// The accounts that the requests name, as far as there are such.
    pub accounts: BTreeMap<AccountId, AccountState>,
    /// The transfers that happened under the requests' keys.
    pub known: HashMap<String, CompletedTransfer>,
    /// The time of the decision.
    pub now: DateTime<Utc>,
}

/// A request with the identifiers that its transfer and entries will have, so that deciding again gives the same.
#[derive(Clone, Debug)]
pub struct IdentifiedRequest<'a> {
    /// What is asked for.
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

/// What is to be written, and what each caller is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// One for each request, in their order.
    pub outcomes: Vec<Outcome>,
    /// One for each request that moves money.
    pub transfers: Vec<NewTransfer>,
}

/// A transfer to write, with its two entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTransfer {
    /// What the caller gets.
    pub receipt: Receipt,
    /// Why, for people.
    pub description: String,
    /// What the account that pays reads.
    pub debit_description: String,
    /// What the account that is paid reads.
    pub credit_description: String,
    /// The caller's key with the hash of the request.
    pub key: Option<(String, [u8; 32])>,
}

/// The most characters of a description.
pub const DESCRIPTION_LENGTH_MAX: usize = 500;
/// The most characters of an idempotency key.
pub const IDEMPOTENCY_KEY_LENGTH_MAX: usize = 255;

const DESCRIPTION: &str = "description";
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// The earliest time of an event that is brought in: the year 1. PostgreSQL and our clients agree on the times since.
const EVENT_TIME_MIN: DateTime<Utc> = match DateTime::from_timestamp(-62_135_596_800, 0) {
    Some(time) => time,
    None => DateTime::UNIX_EPOCH,
};

/// Decides on requests in their order: each sees the balances that those before it left. The books are then as they will be
/// when the decision is written.
///
/// # Example
///
/// ```
/// use std::collections::{BTreeMap, HashMap};
/// use neobank_domain::ledger::{LedgerState, IdentifiedRequest, Outcome, Rejection, Request, TransferRequest, decide};
/// use neobank_domain::{AccountId, Currency, Money, EntryId, TransferId};
///
/// let (from, to) = (AccountId::new(), AccountId::new());
/// let amount = Money::parse("10", Currency::from_code("EUR")?)?;
/// let request = Request::from(TransferRequest::new(from, to, amount));
/// let mut books = LedgerState { accounts: BTreeMap::new(), known: HashMap::new(), now: chrono::Utc::now() };
/// let decision = decide(&mut books, &[IdentifiedRequest {
///     request: &request,
///     request_hash: None,
///     transfer_id: TransferId::new(),
///     debit_id: EntryId::new(),
///     credit_id: EntryId::new(),
/// }]);
/// assert_eq!(decision.outcomes, [Outcome::Rejected(Rejection::UnknownAccount { account: from })]);
/// # Ok::<(), neobank_domain::MoneyError>(())
/// ```
#[must_use]
pub fn decide(books: &mut LedgerState, requests: &[IdentifiedRequest<'_>]) -> Decision {
    let mut decision = Decision::default();
    for identified in requests {
        let outcome = match books.decide_one(identified) {
            Ok(Verdict::Completed(receipt)) => Outcome::Replayed(receipt),
            Ok(Verdict::New(transfer)) => {
                let receipt = transfer.receipt.clone();
                books.keep(&transfer);
                decision.transfers.push(transfer);
                Outcome::Posted(receipt)
            }
            Err(rejection) => Outcome::Rejected(rejection),
        };
        decision.outcomes.push(outcome);
    }
    decision
}

/// What a request that is not refused comes to.
enum Verdict {
    Completed(Receipt),
    New(NewTransfer),
}

/// What every kind of request comes down to: an amount from one account to another.
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
            && let Some(known) = self.known.get(key)
        {
            return if known.request_hash == *hash {
                Ok(Verdict::Completed(known.receipt.clone()))
            } else {
                Err(Rejection::KeyReused {
                    key: key.clone(),
                    first: known.receipt.transfer_id,
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
            // PostgreSQL keeps microseconds; a finer time would come back as another.
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

    /// The two entries of a movement, or why the balances do not allow it.
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

    /// Times of an account never go back, also when the clock does.
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
            // An opening ahead of the clock, which was set back then, does not count.
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

    /// Lets the requests that follow see what this one did.
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
            let known = CompletedTransfer {
                request_hash: *request_hash,
                receipt: transfer.receipt.clone(),
            };
            self.known.insert(key.clone(), known);
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
        // What may be spent after it must be an amount too.
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

/// Before everything else: a key that cannot be kept was never used.
fn check_key(request: &Request) -> Result<(), Rejection> {
    if let Some(key) = request.idempotency_key() {
        text::required(key, IDEMPOTENCY_KEY_LENGTH_MAX).map_err(|problem| Rejection::Text {
            field: IDEMPOTENCY_KEY,
            reason: problem.to_string(),
        })?;
    }
    Ok(())
}

/// The database has no leap seconds: it would keep the second after as the time.
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
