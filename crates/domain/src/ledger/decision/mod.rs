//! The ledger's decision: a pure function from balances and requests to outcomes and entries. It
//! reads no clock, no database and no random number.

mod account;
mod group;
mod hold;
mod movement;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use neobank_entity::enums::TransferType;
use rust_decimal::Decimal;

use super::actor::Actor;
use super::metadata::Metadata;
use super::receipt::{GroupReceipt, Outcome, Receipt};
use super::rejection::Rejection;
use super::request::{Attributes, Request};
use crate::accounts::AccountStatus;
use crate::text;
use crate::{AccountId, Currency, EntryId, GroupId, HoldEventId, HoldId, Money, TransferId};

pub(super) use hold::Capture;
pub use hold::{CompletedHold, HoldState, NewHoldEvent};

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
#[non_exhaustive]
pub struct CompletedTransfer {
    /// The hash of the request that was posted.
    pub request_hash: [u8; 32],
    /// The receipt of the transfer; of a group, the receipt of its first transfer.
    pub receipt: Receipt,
    /// The group, for a transfer of a group.
    pub group_id: Option<GroupId>,
    /// The receipts of all transfers of the group, in the order of their steps; empty for a single
    /// transfer.
    pub group: Vec<Receipt>,
}

/// An earlier transfer that a request reverses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OriginalTransfer {
    /// The kind of the transfer.
    pub transfer_type: TransferType,
    /// The payer.
    pub from: AccountId,
    /// The payee.
    pub to: AccountId,
    /// The amount.
    pub amount: Money,
    /// The sum of its reversals, in major units.
    pub reversed: Decimal,
}

/// The rules of a ledger, which its builder sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// True if each request must have an actor.
    pub requires_actor: bool,
    /// The most days between a value date in the past and the server's day in UTC.
    pub value_date_days_back: u32,
    /// The most days between a value date in the future and the server's day in UTC.
    pub value_date_days_ahead: u32,
}

/// The state that a decision depends on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LedgerState {
    /// The accounts of the requests, as far as they exist.
    pub accounts: BTreeMap<AccountId, AccountState>,
    /// The completed transfers with the requests' idempotency keys.
    pub completed: HashMap<String, CompletedTransfer>,
    /// The transfers that the requests reverse, as far as they exist.
    pub originals: BTreeMap<TransferId, OriginalTransfer>,
    /// The holds that the requests name, as far as they exist, and the holds on their accounts
    /// whose time is over. Empty where a decision is made without locks.
    pub holds: BTreeMap<HoldId, HoldState>,
    /// The holds and releases with the requests' idempotency keys.
    pub completed_holds: HashMap<String, CompletedHold>,
    /// The time of the decision.
    pub now: DateTime<Utc>,
    /// The ledger's rules.
    pub rules: Rules,
}

/// A request with the identifiers of its future transfer and entries, which are the same in every
/// attempt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdentifiedRequest<'a> {
    /// The request.
    pub request: &'a Request,
    /// [`Request::hash`] of a request with an idempotency key; a request without one needs none.
    pub request_hash: Option<[u8; 32]>,
    /// The identifiers of the transfer; of a group, those from which the steps' identifiers follow.
    pub identifiers: Identifiers,
    /// The actor.
    pub actor: Option<&'a Actor>,
}

/// The identifiers of a future transfer and its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identifiers {
    /// The transfer's identifier.
    pub transfer_id: TransferId,
    /// The debit's identifier.
    pub debit_id: EntryId,
    /// The credit's identifier.
    pub credit_id: EntryId,
}

/// The transfers to write, and the outcome for each caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// One outcome for each request, in their order.
    pub outcomes: Vec<Outcome>,
    /// The transfers of the posted requests: one for each, or those of the steps of a group.
    pub transfers: Vec<NewTransfer>,
    /// The changes of holds, in their order.
    pub hold_events: Vec<NewHoldEvent>,
}

/// The identifiers of what a decision writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) transfers: Vec<TransferId>,
    pub(super) hold_events: Vec<HoldEventId>,
}

/// A transfer to write, with its two entries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// The group of the transfer.
    pub group_id: Option<GroupId>,
    /// The actor.
    pub actor: Option<Actor>,
    /// The caller's own data.
    pub metadata: Option<Metadata>,
    /// The value date.
    pub value_date: Option<NaiveDate>,
    /// What the transfer takes of a hold.
    pub(super) capture: Option<Capture>,
}

/// The most characters of a description.
pub const DESCRIPTION_LENGTH_MAX: usize = 500;
/// The most characters of an idempotency key.
pub const IDEMPOTENCY_KEY_LENGTH_MAX: usize = 255;

const DESCRIPTION: &str = "description";
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// Decides on requests in their order: each sees the balances that the earlier ones left.
/// Afterwards the state is as the database will be when the decision is written.
///
/// # Example
///
/// ```
/// use neobank_domain::ledger::{
///     IdentifiedRequest, LedgerState, Outcome, Rejection, Request, TransferRequest, decide,
/// };
/// use neobank_domain::{AccountId, Currency, Money};
///
/// let (from, to) = (AccountId::new(), AccountId::new());
/// let amount = Money::parse("10", Currency::from_code("EUR")?)?;
/// let request = Request::from(TransferRequest::new(from, to, amount));
/// let identified = IdentifiedRequest::new(&request);
/// let mut state = LedgerState::new(chrono::Utc::now());
/// let decision = decide(&mut state, &[identified]);
/// let unknown = Rejection::UnknownAccount { account: from };
/// assert_eq!(decision.outcomes, [Outcome::Rejected(unknown)]);
/// # Ok::<(), neobank_domain::MoneyError>(())
/// ```
#[must_use]
pub fn decide(state: &mut LedgerState, requests: &[IdentifiedRequest<'_>]) -> Decision {
    let mut decision = Decision::default();
    for identified in requests {
        let outcome = state.decide_request(identified, &mut decision);
        decision
            .outcomes
            .push(outcome.unwrap_or_else(Outcome::Rejected));
    }
    decision
}

/// Returns the identifiers of new transfers, in their order.
pub(super) fn transfer_ids(transfers: &[NewTransfer]) -> Vec<TransferId> {
    let receipts = transfers.iter().map(|transfer| &transfer.receipt);
    receipts.map(|receipt| receipt.transfer_id).collect()
}

impl Decision {
    /// Returns true if the decision changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transfers.is_empty() && self.hold_events.is_empty()
    }

    pub(super) fn written(&self) -> Written {
        let events = self.hold_events.iter();
        Written {
            transfers: transfer_ids(&self.transfers),
            hold_events: events.map(|event| event.receipt.event_id).collect(),
        }
    }
}

/// An idempotency key with the hash of its request.
type KeyAndHash = (String, [u8; 32]);

impl Identifiers {
    /// Returns new identifiers for a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        match request {
            Request::Group(_) => Self {
                transfer_id: TransferId::first_of_many(),
                debit_id: EntryId::first_of_many(),
                credit_id: EntryId::first_of_many(),
            },
            _ => Self {
                transfer_id: TransferId::new(),
                debit_id: EntryId::new(),
                credit_id: EntryId::new(),
            },
        }
    }

    /// Returns the identifiers of a step of a group.
    fn of_step(self, step: u16) -> Self {
        Self {
            transfer_id: self.transfer_id.following(step),
            debit_id: self.debit_id.following(step),
            credit_id: self.credit_id.following(step),
        }
    }
}

impl<'a> IdentifiedRequest<'a> {
    /// Returns a request with new identifiers, its hash, and no actor.
    #[must_use]
    pub fn new(request: &'a Request) -> Self {
        Self {
            request,
            request_hash: request.idempotency_key().map(|_| request.hash()),
            identifiers: Identifiers::of(request),
            actor: None,
        }
    }
}

impl Default for Rules {
    /// No actor is required, and a value date lies at most a year back or ahead.
    fn default() -> Self {
        Self {
            requires_actor: false,
            value_date_days_back: 366,
            value_date_days_ahead: 366,
        }
    }
}

impl LedgerState {
    /// Returns the state without accounts and transfers at a time, with the default rules.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            accounts: BTreeMap::new(),
            completed: HashMap::new(),
            originals: BTreeMap::new(),
            holds: BTreeMap::new(),
            completed_holds: HashMap::new(),
            now,
            rules: Rules::default(),
        }
    }

    /// Decides on a request, and adds what it writes.
    fn decide_request(
        &mut self,
        identified: &IdentifiedRequest<'_>,
        decision: &mut Decision,
    ) -> Result<Outcome, Rejection> {
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
            return completed.replay(request, key, hash);
        }
        if let Some((key, hash)) = &key
            && let Some(completed) = self.completed_holds.get(key)
        {
            return completed.replay(key, hash);
        }
        check_description(request)?;
        if let Request::Expiry(expiry) = request {
            return self.decide_expiry(identified, expiry, &mut decision.hold_events);
        }
        if self.rules.requires_actor && identified.actor.is_none() {
            return Err(Rejection::ActorRequired);
        }
        let due = self.due_holds(request);
        if due.is_empty() {
            return self.decide_new(identified, key, decision);
        }
        // What is due on the request's accounts is available to it.
        let before = self.part_of(request);
        let events = decision.hold_events.len();
        let decided = self
            .expire(
                due,
                identified.identifiers.transfer_id,
                &mut decision.hold_events,
            )
            .and_then(|()| self.decide_new(identified, key, decision));
        if decided.is_err() {
            self.restore(before);
            decision.hold_events.truncate(events);
        }
        decided
    }

    /// Decides on a request whose key is unused.
    fn decide_new(
        &mut self,
        identified: &IdentifiedRequest<'_>,
        key: Option<KeyAndHash>,
        decision: &mut Decision,
    ) -> Result<Outcome, Rejection> {
        let request = identified.request;
        let events = &mut decision.hold_events;
        match request {
            Request::Group(group) => {
                return self.decide_group(identified, group, key.as_ref(), decision);
            }
            Request::Hold(hold) => return self.decide_hold(identified, hold, key, events),
            Request::Release(release) => {
                return self.decide_release(identified, release, key, events);
            }
            _ => {}
        }
        if let Request::Posting(posting) = request {
            group::require_no_clearing(posting)?;
        }
        let new = self.decide_step(identified, request, identified.identifiers)?;
        let mut new = new.ok_or(Rejection::NothingMoved)?;
        new.key = key;
        self.keep(&new, &mut decision.hold_events)?;
        if let Some(key) = &new.key {
            self.complete(key, &new.receipt, None, Vec::new());
        }
        let receipt = new.receipt.clone();
        decision.transfers.push(new);
        Ok(Outcome::Posted(receipt))
    }

    /// Returns the transfer of a request that is not a group; `None` for a step that is allowed to
    /// move nothing and does.
    fn decide_step(
        &self,
        identified: &IdentifiedRequest<'_>,
        request: &Request,
        identifiers: Identifiers,
    ) -> Result<Option<NewTransfer>, Rejection> {
        let attributes = request.attributes();
        self.check_value_date(attributes)?;
        let Some(movement) = self.movement(request)? else {
            return Ok(None);
        };
        let receipt = self.entries(identifiers, &movement)?;
        Ok(Some(NewTransfer {
            debit_description: self.describe(request, "to", movement.to),
            credit_description: self.describe(request, "from", movement.from),
            description: request.description().to_owned(),
            receipt,
            key: None,
            group_id: None,
            actor: identified.actor.cloned(),
            metadata: attributes.metadata.clone(),
            value_date: attributes.value_date,
            capture: movement.capture,
        }))
    }

    fn check_value_date(&self, attributes: &Attributes) -> Result<(), Rejection> {
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

    fn describe(&self, request: &Request, direction: &str, other: AccountId) -> String {
        let description = request.description();
        let beginning = match request {
            Request::Transfer(_) | Request::Capture(_) => {
                let other = self.accounts.get(&other);
                let number = other.map_or("", |account| account.account_number.as_str());
                format!("Transfer {direction} {number}")
            }
            Request::Reversal(reversal) => {
                let reference = super::ReferenceNumber::from(reversal.transfer);
                format!("Reversal of {reference}")
            }
            _ => return description.to_owned(),
        };
        match description {
            "" => beginning,
            _ => format!("{beginning}: {description}"),
        }
    }

    /// Applies a transfer to the state, for the requests after it, and adds its changes of holds.
    fn keep(
        &mut self,
        transfer: &NewTransfer,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<(), Rejection> {
        if let Some(capture) = &transfer.capture {
            self.keep_capture(transfer, capture, events)?;
        }
        let receipt = &transfer.receipt;
        for entry in [&receipt.debit, &receipt.credit] {
            if let Some(account) = self.accounts.get_mut(&entry.account_id) {
                account.balance = entry.running_balance.amount();
                account.last_entry_number = entry.entry_number;
                account.last_entry_at = Some(receipt.posted_at);
                account.version = account.version.saturating_add(1);
            }
        }
        let original = receipt.reverses.and_then(|id| self.originals.get_mut(&id));
        if let Some(original) = original {
            // At most the original's amount.
            original.reversed = original.reversed.saturating_add(receipt.amount.amount());
        }
        Ok(())
    }

    /// Notes the key of a posted request, for the requests after it.
    fn complete(
        &mut self,
        (key, request_hash): &KeyAndHash,
        receipt: &Receipt,
        group_id: Option<GroupId>,
        group: Vec<Receipt>,
    ) {
        let completed = CompletedTransfer {
            request_hash: *request_hash,
            receipt: receipt.clone(),
            group_id,
            group,
        };
        self.completed.insert(key.clone(), completed);
    }
}

impl CompletedTransfer {
    /// Returns the outcome of a request under the transfer's key.
    fn replay(
        &self,
        request: &Request,
        key: &str,
        request_hash: &[u8; 32],
    ) -> Result<Outcome, Rejection> {
        if self.request_hash != *request_hash {
            return Err(Rejection::KeyReused {
                key: key.to_owned(),
                first: self.receipt.transfer_id,
            });
        }
        Ok(match (request, self.group_id) {
            (Request::Group(group), Some(group_id)) => {
                let mut transfers = self.group.iter().peekable();
                let steps = (0..=u16::MAX).zip(&group.steps).map(|(step, _)| {
                    let id = TransferId::from(group_id.as_uuid()).following(step);
                    transfers
                        .next_if(|receipt| receipt.transfer_id == id)
                        .cloned()
                });
                Outcome::GroupReplayed(GroupReceipt {
                    group_id,
                    steps: steps.collect(),
                })
            }
            _ => Outcome::Replayed(self.receipt.clone()),
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

#[cfg(test)]
mod tests;
