//! The decision on holds: reserved amounts, their captures, releases and ends.

use chrono::{DateTime, SubsecRound, Utc};
use neobank_entity::enums::{HoldEventType, HoldStatus, TransferType};

use super::movement::{Movement, require_positive};
use super::step::Step;
use super::{
    AccountState, IdentifiedRequest, KeyAndHash, LedgerState, NewTransfer, replayed_group,
};
use crate::ledger::actor::Actor;
use crate::ledger::metadata::Metadata;
use crate::ledger::receipt::{GroupReceipt, HoldReceipt, Outcome, Receipt};
use crate::ledger::rejection::Rejection;
use crate::ledger::request::{
    CaptureRequest, ExpiryRequest, HoldReference, HoldRequest, ReleaseRequest, Request,
};
use crate::{AccountId, GroupId, HoldEventId, HoldId, Money, TransferId};

/// The latest end of a hold that the database can keep: the end of the year 9999.
const EXPIRY_MAX: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(time) => time,
    None => DateTime::<Utc>::MAX_UTC,
};

/// A hold as it was read, or as the earlier requests of the batch left it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HoldState {
    /// The hold's identifier.
    pub hold_id: HoldId,
    /// The account that has the money.
    pub account: AccountId,
    /// The only account that captures may pay.
    pub to: Option<AccountId>,
    /// The amount that the hold still reserves.
    pub remaining: Money,
    /// The state after the last change. A hold can be open and its time over.
    pub status: HoldStatus,
    /// The time at which the hold is over.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A hold or a release that was made before under the idempotency key of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletedHold {
    /// The hash of the request.
    pub request_hash: [u8; 32],
    /// The receipt of the change; of a group, the receipt of its first hold or release.
    pub receipt: HoldReceipt,
    /// The group, for a group with a hold or a release.
    pub group_id: Option<GroupId>,
    /// The receipts of all holds and releases of the group, in the order of their steps; empty for a
    /// single change.
    pub group: Vec<HoldReceipt>,
    /// The receipts of the group's transfers, in the order of their steps.
    pub group_transfers: Vec<Receipt>,
}

/// A change of a hold to write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewHoldEvent {
    /// The change.
    pub receipt: HoldReceipt,
    /// The number of the account's last entry before the change.
    pub entry_number: i64,
    /// The description of a new hold.
    pub description: String,
    /// The idempotency key of a hold or a release, with the hash of the request.
    pub key: Option<(String, [u8; 32])>,
    /// The actor; `None` where the hold's time has run out.
    pub actor: Option<Actor>,
    /// The caller's own data.
    pub metadata: Option<Metadata>,
}

/// The part of a hold that a transfer captures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Capture {
    pub(super) hold: HoldId,
    /// The rest of the hold, which the last capture releases.
    rest: Option<Money>,
}

/// A change of a hold, before the state knows it.
struct Change<'a> {
    hold: HoldId,
    kind: HoldEventType,
    /// The amount; `None` for all that remains.
    amount: Option<Money>,
    /// The identifier of the request's or the step's transfer.
    request: TransferId,
    /// True for the hold or the release that is a step of a group.
    is_step: bool,
    transfer: Option<TransferId>,
    actor: Option<&'a Actor>,
}

impl<'a> Change<'a> {
    /// Returns the change that a request for a hold or a release makes.
    const fn of(step: &Step<'a>, hold: HoldId, kind: HoldEventType) -> Self {
        Self {
            hold,
            kind,
            amount: None,
            request: step.identifiers.transfer_id,
            is_step: step.group.is_some(),
            transfer: None,
            actor: step.actor,
        }
    }

    fn event_id(&self) -> HoldEventId {
        if self.is_step {
            HoldEventId::of_step(self.request)
        } else {
            HoldEventId::of(self.request, self.hold, self.kind.as_str())
        }
    }

    /// Returns the end of a hold whose time is over, which has no actor.
    const fn end_of(hold: HoldId, request: TransferId) -> Self {
        Self {
            hold,
            kind: HoldEventType::Expired,
            amount: None,
            request,
            is_step: false,
            transfer: None,
            actor: None,
        }
    }
}

impl HoldState {
    /// Returns true if the hold is open and its time is over.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.status == HoldStatus::Open && self.expires_at.is_some_and(|end| end <= now)
    }

    fn require_open(&self, now: DateTime<Utc>) -> Result<(), Rejection> {
        let hold = self.hold_id;
        match (self.status, self.expires_at) {
            (HoldStatus::Captured, _) => Err(Rejection::HoldCaptured { hold }),
            (HoldStatus::Released, _) => Err(Rejection::HoldReleased { hold }),
            (_, Some(expires_at)) if self.status == HoldStatus::Expired || expires_at <= now => {
                Err(Rejection::HoldExpired { hold, expires_at })
            }
            // The database has no expired hold without an end.
            (HoldStatus::Expired, None) => Err(Rejection::HoldReleased { hold }),
            _ => Ok(()),
        }
    }
}

impl CompletedHold {
    /// Returns the outcome of a request under the key of a hold or a release.
    pub(super) fn replay(
        &self,
        request: &Request,
        key: &str,
        request_hash: &[u8; 32],
    ) -> Result<Outcome, Rejection> {
        if self.request_hash != *request_hash {
            return Err(Rejection::KeyOfHold {
                key: key.to_owned(),
                first: self.receipt.hold_id,
            });
        }
        Ok(match (request, self.group_id) {
            (Request::Group(group), Some(group_id)) => Outcome::GroupReplayed(replayed_group(
                group,
                group_id,
                &self.group_transfers,
                &self.group,
            )),
            _ => Outcome::HoldReplayed(self.receipt.clone()),
        })
    }
}

impl LedgerState {
    /// Returns the holds on a request's accounts whose time is over, in the order of their ends.
    pub(super) fn due_holds(&self, request: &Request) -> Vec<HoldId> {
        if self.holds.is_empty() {
            return Vec::new();
        }
        let accounts: Vec<_> = request.accounts().collect();
        let due = self.holds.values().filter(|hold| hold.is_due(self.now));
        let mut due: Vec<_> = due
            .filter(|hold| accounts.contains(&hold.account))
            .collect();
        due.sort_by_key(|hold| (hold.expires_at, hold.hold_id));
        due.into_iter().map(|hold| hold.hold_id).collect()
    }

    /// Ends holds whose time is over.
    pub(super) fn expire(
        &mut self,
        due: Vec<HoldId>,
        request: TransferId,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<(), Rejection> {
        for hold in due {
            let receipt = self.change_hold(&Change::end_of(hold, request), events)?;
            let ended = self.ended.entry(receipt.account_id).or_default();
            *ended = ended.saturating_add(1);
        }
        Ok(())
    }

    /// Decides on the record of a hold's end.
    pub(super) fn decide_expiry(
        &mut self,
        identified: &IdentifiedRequest<'_>,
        request: &ExpiryRequest,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<Outcome, Rejection> {
        let named = request.held_by.map(|_| request.hold);
        let hold = self.known_hold(named, request.hold)?;
        if hold.status != HoldStatus::Open {
            hold.require_open(self.now)?;
        }
        if !hold.is_due(self.now) {
            return Err(Rejection::HoldNotDue { hold: request.hold });
        }
        let change = Change::end_of(request.hold, identified.identifiers.transfer_id);
        Ok(Outcome::Hold(self.change_hold(&change, events)?))
    }

    /// Decides on a request for a hold or a release.
    pub(super) fn decide_hold(
        &mut self,
        identified: &IdentifiedRequest<'_>,
        key: Option<KeyAndHash>,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<Outcome, Rejection> {
        let changed = self.change_of_step(&Step::single(identified), events)?;
        let receipt = changed.ok_or(Rejection::NothingMoved)?;
        if let Some(key) = key {
            self.complete_hold(key, &receipt, None, events.last_mut());
        }
        Ok(Outcome::Hold(receipt))
    }

    /// Decides on a hold or a release, and adds its change; `None` for a release that is allowed to
    /// change nothing and does.
    pub(super) fn change_of_step(
        &mut self,
        step: &Step<'_>,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<Option<HoldReceipt>, Rejection> {
        let request = step.request;
        let changed = match request {
            Request::Hold(hold) => self.authorise(step, hold, events).map(Some),
            Request::Release(release) => self.release(step, release, events),
            _ => Err(Rejection::NotAHold),
        }?;
        if let Some((_, event)) = changed.as_ref().zip(events.last_mut()) {
            request.description().clone_into(&mut event.description);
            event.metadata.clone_from(&request.attributes().metadata);
        }
        Ok(changed)
    }

    fn authorise(
        &mut self,
        step: &Step<'_>,
        request: &HoldRequest,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<HoldReceipt, Rejection> {
        if request.to == Some(request.account) {
            return Err(Rejection::SameAccount {
                account: request.account,
            });
        }
        require_positive(request.amount)?;
        let expires_at = request.expires_at.map(|end| end.trunc_subsecs(6));
        if let Some(expires_at) = expires_at {
            let now = self.now;
            if expires_at <= now {
                return Err(Rejection::HoldEndsInThePast { expires_at, now });
            }
            if expires_at > EXPIRY_MAX {
                return Err(Rejection::HoldExpiryRange { expires_at });
            }
        }
        let account = self.customers_account(request.account, request.amount.currency())?;
        if let Some(to) = request.to {
            self.customers_account(to, request.amount.currency())?;
        }
        account.require_available(request.amount)?;
        account.require_limit_of_each(request.amount)?;
        let hold_id = step.identifiers.hold_id();
        self.holds.insert(
            hold_id,
            HoldState {
                hold_id,
                account: request.account,
                to: request.to,
                remaining: Money::zero(request.amount.currency()),
                status: HoldStatus::Open,
                expires_at,
            },
        );
        let change = Change {
            amount: Some(request.amount),
            ..Change::of(step, hold_id, HoldEventType::Authorised)
        };
        let changed = self.change_hold(&change, events);
        if changed.is_err() {
            self.holds.remove(&hold_id);
        }
        changed
    }

    /// Decides on the release of a hold.
    fn release(
        &mut self,
        step: &Step<'_>,
        request: &ReleaseRequest,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<Option<HoldReceipt>, Rejection> {
        let hold = self.named_hold(step, request.hold, request.held_by.is_some())?;
        if let Err(over) = hold.require_open(self.now) {
            return if request.if_open { Ok(None) } else { Err(over) };
        }
        let change = Change::of(step, hold.hold_id, HoldEventType::Released);
        self.change_hold(&change, events).map(Some)
    }

    /// Returns the movement of a capture.
    pub(super) fn capture(
        &self,
        step: &Step<'_>,
        request: &CaptureRequest,
    ) -> Result<Movement, Rejection> {
        if let Some(amount) = request.amount {
            require_positive(amount)?;
        }
        let hold = self.named_hold(step, request.hold, request.held_by.is_some())?;
        let hold_id = hold.hold_id;
        hold.require_open(self.now)?;
        let amount = request.amount.unwrap_or(hold.remaining);
        if amount.currency() != hold.remaining.currency() {
            return Err(Rejection::HoldCurrency {
                hold: hold_id,
                hold_currency: hold.remaining.currency(),
                currency: amount.currency(),
            });
        }
        let to = match (hold.to, request.to) {
            (Some(named), Some(requested)) if named != requested => {
                return Err(Rejection::HoldDestination {
                    hold: hold_id,
                    named,
                    requested,
                });
            }
            (Some(to), _) | (None, Some(to)) => to,
            (None, None) => return Err(Rejection::NoDestination { hold: hold_id }),
        };
        if to == hold.account {
            return Err(Rejection::SameAccount { account: to });
        }
        if amount.amount() > hold.remaining.amount() {
            return Err(Rejection::MoreThanHeld {
                hold: hold_id,
                remaining: hold.remaining,
                requested: amount,
            });
        }
        for account in [hold.account, to] {
            self.customers_account(account, amount.currency())?;
        }
        let left = hold.remaining.checked_sub(amount)?;
        let rest = Some(left).filter(|left| request.last && left.is_positive());
        let capture = Capture {
            hold: hold_id,
            rest,
        };
        Ok(Movement {
            capture: Some(capture),
            ..Movement::new(TransferType::Transfer, hold.account, to, amount)
        })
    }

    /// Returns the payer of a capture, for which the captured amount is available.
    pub(super) fn without_captured(
        payer: &AccountState,
        amount: Money,
        capture: &Capture,
    ) -> Result<AccountState, Rejection> {
        let mut payer = payer.clone();
        let held = Money::new(payer.held, payer.currency)?.checked_sub(amount)?;
        let held = capture.rest.map_or(Ok(held), |rest| held.checked_sub(rest));
        payer.held = held?.amount();
        Ok(payer)
    }

    /// Applies what a transfer takes of a hold, before the transfer itself.
    pub(super) fn keep_capture(
        &mut self,
        transfer: &NewTransfer,
        capture: &Capture,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<(), Rejection> {
        let receipt = &transfer.receipt;
        let captured = Change {
            hold: capture.hold,
            kind: HoldEventType::Captured,
            amount: Some(receipt.amount),
            request: receipt.transfer_id,
            is_step: false,
            transfer: Some(receipt.transfer_id),
            actor: transfer.actor.as_ref(),
        };
        self.change_hold(&captured, events)?;
        if capture.rest.is_some() {
            let released = Change {
                kind: HoldEventType::Released,
                amount: None,
                ..captured
            };
            self.change_hold(&released, events)?;
        }
        Ok(())
    }

    /// Returns the hold that a capture or a release names.
    fn named_hold(
        &self,
        step: &Step<'_>,
        reference: HoldReference,
        was_found: bool,
    ) -> Result<&HoldState, Rejection> {
        match reference {
            // Without its account, the hold did not exist when the ledger looked for it.
            HoldReference::Hold(hold) => self.known_hold(was_found.then_some(hold), hold),
            HoldReference::Step(index) => {
                let hold = step.hold_at(index);
                let hold = hold.ok_or(Rejection::NoHoldAtStep { step: index })?;
                self.known_hold(Some(hold), hold)
            }
        }
    }

    fn known_hold(&self, found: Option<HoldId>, hold: HoldId) -> Result<&HoldState, Rejection> {
        let known = found.and_then(|found| self.holds.get(&found));
        known.ok_or(Rejection::UnknownHold { hold })
    }

    /// Takes the changes of holds back that a request has added behind an index. The caller
    /// restores the holds that were there before.
    pub(super) fn undo_holds(&mut self, events: &mut Vec<NewHoldEvent>, from: usize) {
        for event in events.drain(from..) {
            if event.receipt.event_type == HoldEventType::Authorised {
                self.holds.remove(&event.receipt.hold_id);
            }
        }
    }

    /// Applies a change to a hold and to its account, and adds the event.
    fn change_hold(
        &mut self,
        change: &Change<'_>,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<HoldReceipt, Rejection> {
        let unknown = Rejection::UnknownHold { hold: change.hold };
        let hold = self.holds.get_mut(&change.hold).ok_or(unknown)?;
        let account_id = hold.account;
        let account = self.accounts.get_mut(&account_id);
        let account = account.ok_or(Rejection::UnknownAccount {
            account: account_id,
        })?;
        let amount = change.amount.unwrap_or(hold.remaining);
        let held = Money::new(account.held, account.currency)?;
        let (remaining, held_balance) = if change.kind == HoldEventType::Authorised {
            (amount, held.checked_add(amount)?)
        } else {
            (
                hold.remaining.checked_sub(amount)?,
                held.checked_sub(amount)?,
            )
        };
        hold.remaining = remaining;
        hold.status = match change.kind {
            _ if remaining.is_positive() => HoldStatus::Open,
            HoldEventType::Expired => HoldStatus::Expired,
            HoldEventType::Released if change.transfer.is_none() => HoldStatus::Released,
            _ => HoldStatus::Captured,
        };
        account.held = held_balance.amount();
        account.version = account.version.saturating_add(1);
        let receipt = HoldReceipt {
            hold_id: change.hold,
            event_id: change.event_id(),
            event_type: change.kind,
            account_id,
            to_account_id: hold.to,
            amount,
            remaining,
            held_balance,
            expires_at: hold.expires_at,
            occurred_at: self.now.trunc_subsecs(6),
            transfer_id: change.transfer,
        };
        events.push(NewHoldEvent {
            receipt: receipt.clone(),
            entry_number: account.last_entry_number,
            description: String::new(),
            key: None,
            actor: change.actor.cloned(),
            metadata: None,
        });
        Ok(receipt)
    }

    /// Gives an event the request's key, and notes the key for the requests after it.
    pub(super) fn complete_hold(
        &mut self,
        key: KeyAndHash,
        receipt: &HoldReceipt,
        group: Option<&GroupReceipt>,
        event: Option<&mut NewHoldEvent>,
    ) {
        let completed = CompletedHold {
            request_hash: key.1,
            receipt: receipt.clone(),
            group_id: group.map(|group| group.group_id),
            group: group.map_or_else(Vec::new, |group| group.holds().cloned().collect()),
            group_transfers: group
                .map_or_else(Vec::new, |group| group.transfers().cloned().collect()),
        };
        self.completed_holds.insert(key.0.clone(), completed);
        if let Some(event) = event {
            event.key = Some(key);
        }
    }
}

#[cfg(test)]
mod tests;
