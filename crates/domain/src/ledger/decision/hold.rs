//! The decision on holds: reserved amounts, their captures, releases and ends.

use chrono::{DateTime, SubsecRound, Utc};
use neobank_entity::enums::{HoldEventType, HoldStatus, TransferType};

use super::movement::{Movement, require_positive};
use super::{AccountState, IdentifiedRequest, KeyAndHash, LedgerState, NewTransfer};
use crate::ledger::actor::Actor;
use crate::ledger::metadata::Metadata;
use crate::ledger::receipt::{HoldReceipt, Outcome};
use crate::ledger::rejection::Rejection;
use crate::ledger::request::{CaptureRequest, ExpiryRequest, HoldRequest, ReleaseRequest, Request};
use crate::{AccountId, HoldEventId, HoldId, Money, TransferId};

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
    /// The receipt of the change.
    pub receipt: HoldReceipt,
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
    transfer: Option<TransferId>,
    actor: Option<&'a Actor>,
}

impl Change<'_> {
    /// Returns the end of a hold whose time is over, which has no actor.
    const fn end_of(hold: HoldId, request: TransferId) -> Self {
        Self {
            hold,
            kind: HoldEventType::Expired,
            amount: None,
            request,
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
    pub(super) fn replay(&self, key: &str, request_hash: &[u8; 32]) -> Result<Outcome, Rejection> {
        if self.request_hash != *request_hash {
            return Err(Rejection::KeyOfHold {
                key: key.to_owned(),
                first: self.receipt.hold_id,
            });
        }
        Ok(Outcome::HoldReplayed(self.receipt.clone()))
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
        let hold = self.known_hold(request.hold, request.held_by.is_some())?;
        if hold.status != HoldStatus::Open {
            hold.require_open(self.now)?;
        }
        if !hold.is_due(self.now) {
            return Err(Rejection::HoldNotDue { hold: request.hold });
        }
        let change = Change::end_of(request.hold, identified.identifiers.transfer_id);
        Ok(Outcome::Hold(self.change_hold(&change, events)?))
    }

    /// Decides on a new hold.
    pub(super) fn decide_hold(
        &mut self,
        identified: &IdentifiedRequest<'_>,
        request: &HoldRequest,
        key: Option<KeyAndHash>,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<Outcome, Rejection> {
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
        let hold_id = HoldId::from(identified.identifiers.transfer_id.as_uuid());
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
            hold: hold_id,
            kind: HoldEventType::Authorised,
            amount: Some(request.amount),
            request: identified.identifiers.transfer_id,
            transfer: None,
            actor: identified.actor,
        };
        let receipt = self.change_hold(&change, events)?;
        self.complete_hold(identified.request, key, &receipt, events);
        Ok(Outcome::Hold(receipt))
    }

    /// Decides on the release of a hold.
    pub(super) fn decide_release(
        &mut self,
        identified: &IdentifiedRequest<'_>,
        request: &ReleaseRequest,
        key: Option<KeyAndHash>,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<Outcome, Rejection> {
        let hold = self.known_hold(request.hold, request.held_by.is_some())?;
        hold.require_open(self.now)?;
        let change = Change {
            hold: request.hold,
            kind: HoldEventType::Released,
            amount: None,
            request: identified.identifiers.transfer_id,
            transfer: None,
            actor: identified.actor,
        };
        let receipt = self.change_hold(&change, events)?;
        self.complete_hold(identified.request, key, &receipt, events);
        Ok(Outcome::Hold(receipt))
    }

    /// Returns the movement of a capture.
    pub(super) fn capture(&self, request: &CaptureRequest) -> Result<Movement, Rejection> {
        if let Some(amount) = request.amount {
            require_positive(amount)?;
        }
        let hold_id = request.hold;
        let hold = self.known_hold(hold_id, request.held_by.is_some())?;
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

    fn known_hold(&self, hold: HoldId, was_found: bool) -> Result<&HoldState, Rejection> {
        // Without its account, the hold did not exist when the ledger looked for it.
        let known = was_found.then(|| self.holds.get(&hold)).flatten();
        known.ok_or(Rejection::UnknownHold { hold })
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
            event_id: HoldEventId::of(change.request, change.hold, change.kind.as_str()),
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

    /// Adds what a request says to its event, and notes its key for the requests after it.
    fn complete_hold(
        &mut self,
        request: &Request,
        key: Option<KeyAndHash>,
        receipt: &HoldReceipt,
        events: &mut [NewHoldEvent],
    ) {
        if let Some((key, request_hash)) = &key {
            let completed = CompletedHold {
                request_hash: *request_hash,
                receipt: receipt.clone(),
            };
            self.completed_holds.insert(key.clone(), completed);
        }
        if let Some(event) = events.last_mut() {
            request.description().clone_into(&mut event.description);
            event.metadata.clone_from(&request.attributes().metadata);
            event.key = key;
        }
    }
}

#[cfg(test)]
mod tests;
