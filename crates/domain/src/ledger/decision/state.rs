//! The values that a decision reads and returns.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use neobank_entity::enums::TransferType;
use rust_decimal::Decimal;

use super::hold::{Capture, CompletedHold, HoldState, NewHoldEvent};
use crate::accounts::AccountStatus;
use crate::accounts::limits::LimitUse;
use crate::ledger::actor::Actor;
use crate::ledger::metadata::Metadata;
use crate::ledger::receipt::{GroupReceipt, HoldReceipt, Outcome, Receipt, StepReceipt};
use crate::ledger::rejection::Rejection;
use crate::ledger::request::{GroupRequest, Request};
use crate::{AccountId, Currency, EntryId, GroupId, HoldEventId, HoldId, Money, TransferId};

/// An account as it was read, or as the earlier requests of the batch left it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// True if the account has limits; its transfers are then decided under its lock.
    pub has_limits: bool,
    /// The limits with their uses; empty where a decision is made without locks.
    pub limits: Vec<LimitUse>,
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

/// The days of an account that are open for entries, where earlier ones are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenDays {
    /// The first open day of the account's currency.
    pub first_open_day: NaiveDate,
    /// The time at which that day begins in the account's zone.
    pub opens_at: DateTime<Utc>,
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
    /// The holds of each account whose ends the request at hand records before its own decision.
    pub(super) ended: BTreeMap<AccountId, i64>,
    /// The accounts with closed days; empty if no request has a booking time or a value date of its
    /// own. A closed day has ended, so that no other request can lie in one.
    pub open_days: BTreeMap<AccountId, OpenDays>,
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
pub(in crate::ledger) struct Written {
    pub(in crate::ledger) transfers: Vec<TransferId>,
    pub(in crate::ledger) hold_events: Vec<HoldEventId>,
}

impl Written {
    /// Returns what earlier requests with the same keys wrote.
    pub(in crate::ledger) fn replayed(outcomes: &[Outcome]) -> Self {
        let replayed = || outcomes.iter().filter(|outcome| outcome.is_replayed());
        let receipts = replayed().flat_map(Outcome::receipts);
        // Requests of one batch can repeat a key.
        let transfers: BTreeSet<_> = receipts.map(|receipt| receipt.transfer_id).collect();
        let hold_events: BTreeSet<_> = replayed().flat_map(Outcome::hold_events).collect();
        Self {
            transfers: transfers.into_iter().collect(),
            hold_events: hold_events.into_iter().collect(),
        }
    }
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
    /// The part of a hold that the transfer captures.
    pub(in crate::ledger) capture: Option<Capture>,
}

/// The most characters of a description.
pub const DESCRIPTION_LENGTH_MAX: usize = 500;
/// The most characters of an idempotency key.
pub const IDEMPOTENCY_KEY_LENGTH_MAX: usize = 255;

pub(super) const DESCRIPTION: &str = "description";
pub(in crate::ledger) const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// Returns the identifiers of new transfers, in their order.
pub(in crate::ledger) fn transfer_ids(transfers: &[NewTransfer]) -> Vec<TransferId> {
    let receipts = transfers.iter().map(|transfer| &transfer.receipt);
    receipts.map(|receipt| receipt.transfer_id).collect()
}

impl Decision {
    /// Returns true if the decision changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transfers.is_empty() && self.hold_events.is_empty()
    }

    pub(in crate::ledger) fn written(&self) -> Written {
        let events = self.hold_events.iter();
        Written {
            transfers: transfer_ids(&self.transfers),
            hold_events: events.map(|event| event.receipt.event_id).collect(),
        }
    }
}

/// An idempotency key with the hash of its request.
pub(super) type KeyAndHash = (String, [u8; 32]);

impl AccountState {
    /// Returns an active account without money, limit and entries, as it is after its opening.
    #[must_use]
    pub fn new(
        account_id: AccountId,
        account_number: impl Into<String>,
        currency: Currency,
    ) -> Self {
        Self {
            account_id,
            account_number: account_number.into(),
            currency,
            status: AccountStatus::Active,
            balance: Decimal::ZERO,
            held: Decimal::ZERO,
            overdraft_limit: Some(Decimal::ZERO),
            last_entry_number: 0,
            last_entry_at: None,
            opened_at: None,
            version: 1,
            has_limits: false,
            limits: Vec::new(),
        }
    }
}

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

    /// Returns the identifier of the hold that the request makes.
    pub(super) fn hold_id(self) -> HoldId {
        HoldId::from(self.transfer_id.as_uuid())
    }

    /// Returns the identifier of the group, if the request is one.
    pub(super) fn group_id(self) -> GroupId {
        GroupId::from(self.transfer_id.as_uuid())
    }

    /// Returns the identifiers of a step of a group.
    pub(super) fn of_step(self, step: u16) -> Self {
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

impl OpenDays {
    /// Returns the days of an account from the first open day on, which begins at a time in the
    /// account's zone.
    #[must_use]
    pub const fn new(first_open_day: NaiveDate, opens_at: DateTime<Utc>) -> Self {
        Self {
            first_open_day,
            opens_at,
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
            ended: BTreeMap::new(),
            open_days: BTreeMap::new(),
            now,
            rules: Rules::default(),
        }
    }

    /// Returns an account's version without the ends of holds that the request at hand records. A
    /// caller that has read the account compares with this one: the time alone has ended the holds.
    pub(super) fn version_without_ends(&self, account: &AccountState) -> i64 {
        let ended = self.ended.get(&account.account_id).copied();
        account.version.saturating_sub(ended.unwrap_or_default())
    }

    /// Notes the key of a posted request, for the requests after it.
    pub(super) fn complete(
        &mut self,
        (key, request_hash): &KeyAndHash,
        receipt: &Receipt,
        group: Option<&GroupReceipt>,
    ) {
        let completed = CompletedTransfer {
            request_hash: *request_hash,
            receipt: receipt.clone(),
            group_id: group.map(|group| group.group_id),
            group: group.map_or_else(Vec::new, |group| group.transfers().cloned().collect()),
        };
        self.completed.insert(key.clone(), completed);
    }
}

impl CompletedTransfer {
    /// Returns the outcome of a request under the transfer's key.
    pub(super) fn replay(
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
                Outcome::GroupReplayed(replayed_group(group, group_id, &self.group, &[]))
            }
            _ => Outcome::Replayed(self.receipt.clone()),
        })
    }
}

/// Returns the receipt of a group from the receipts of its transfers and of its holds and releases,
/// each in the order of their steps.
pub(super) fn replayed_group(
    group: &GroupRequest,
    group_id: GroupId,
    transfers: &[Receipt],
    holds: &[HoldReceipt],
) -> GroupReceipt {
    let (mut transfers, mut holds) = (transfers.iter().peekable(), holds.iter().peekable());
    let steps = (0..=u16::MAX).zip(&group.steps).map(|(step, _)| {
        let id = TransferId::from(group_id.as_uuid()).following(step);
        let transfer = transfers.next_if(|receipt| receipt.transfer_id == id);
        let event = HoldEventId::of_step(id);
        transfer.cloned().map(StepReceipt::Transfer).or_else(|| {
            let hold = holds.next_if(|receipt| receipt.event_id == event);
            hold.cloned().map(StepReceipt::Hold)
        })
    });
    GroupReceipt {
        group_id,
        steps: steps.collect(),
    }
}
