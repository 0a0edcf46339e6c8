//! The decision on requests, one after the other, and on the transfer that most of them are.

use neobank_entity::enums::{EntryType, TransferType};
use rust_decimal::Decimal;

use super::checks::{check_description, check_key};
use super::group::{require_no_clearing, require_no_line};
use super::movement::{Movement, require_positive};
use super::step::Step;
use super::{
    AccountState, Decision, IdentifiedRequest, Identifiers, KeyAndHash, LedgerState, NewHoldEvent,
    NewTransfer,
};
use crate::ledger::receipt::{EntryReceipt, Outcome, Receipt};
use crate::ledger::rejection::Rejection;
use crate::ledger::request::{AmountLimit, Request, TransferRequest};
use crate::{EntryId, Money};

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

impl LedgerState {
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
            && let Some(replay) = self.replay(request, key, hash)
        {
            return replay;
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
        self.ended.clear();
        if decided.is_err() {
            self.undo_holds(&mut decision.hold_events, events);
            self.restore(before);
        }
        decided
    }

    /// Returns the outcome of a request whose key was used before.
    ///
    /// A posting does not look for the keys of holds, so a transfer and a hold can have one key.
    /// A repeated request finds what it made itself first.
    fn replay(
        &self,
        request: &Request,
        key: &str,
        hash: &[u8; 32],
    ) -> Option<Result<Outcome, Rejection>> {
        let of_transfer = self.completed.get(key);
        let of_hold = self.completed_holds.get(key);
        let of_transfer = of_transfer.map(|transfer| transfer.replay(request, key, hash));
        let of_hold = of_hold.map(|event| event.replay(request, key, hash));
        match request {
            Request::Hold(_) | Request::Release(_) => of_hold.or(of_transfer),
            // A group with a hold or a release gave its key to that event.
            Request::Group(_) if of_hold.as_ref().is_some_and(Result::is_ok) => of_hold,
            _ => of_transfer.or(of_hold),
        }
    }

    /// Decides on a request whose key is unused.
    fn decide_new(
        &mut self,
        identified: &IdentifiedRequest<'_>,
        key: Option<KeyAndHash>,
        decision: &mut Decision,
    ) -> Result<Outcome, Rejection> {
        let request = identified.request;
        match request {
            Request::Group(group) => {
                return self.decide_group(identified, group, key, decision);
            }
            Request::Hold(_) | Request::Release(_) => {
                return self.decide_hold(identified, key, &mut decision.hold_events);
            }
            Request::Posting(posting) => require_no_clearing(posting)?,
            Request::Reversal(reversal) => require_no_line(&self.reversal(reversal)?)?,
            _ => {}
        }
        let new = self.decide_step(&Step::single(identified))?;
        let mut new = new.ok_or(Rejection::NothingMoved)?;
        new.key = key;
        self.keep(&new, &mut decision.hold_events)?;
        if let Some(key) = &new.key {
            self.complete(key, &new.receipt, None);
        }
        let receipt = new.receipt.clone();
        decision.transfers.push(new);
        Ok(Outcome::Posted(receipt))
    }

    /// Returns the transfer of a request that is not a group; `None` for a step that is allowed to
    /// move nothing and does.
    pub(super) fn decide_step(&self, step: &Step<'_>) -> Result<Option<NewTransfer>, Rejection> {
        let request = step.request;
        let attributes = request.attributes();
        self.check_value_date(attributes)?;
        let Some(movement) = self.movement(step)? else {
            return Ok(None);
        };
        let receipt = self.entries(step.identifiers, &movement)?;
        self.require_open_days(&receipt, attributes.value_date)?;
        Ok(Some(NewTransfer {
            debit_description: self.describe(request, "to", movement.to),
            credit_description: self.describe(request, "from", movement.from),
            description: request.description().to_owned(),
            receipt,
            key: None,
            group_id: None,
            actor: step.actor.cloned(),
            metadata: attributes.metadata.clone(),
            value_date: attributes.value_date,
            capture: movement.capture,
        }))
    }

    /// Returns the movement of a request; `None` if the request is allowed to move nothing and
    /// does.
    fn movement(&self, step: &Step<'_>) -> Result<Option<Movement>, Rejection> {
        match step.request {
            Request::Transfer(transfer) => self.transfer(transfer),
            Request::Posting(posting) => self.posting(posting).map(Some),
            Request::Adjustment(adjustment) => self.adjustment(adjustment).map(Some),
            Request::Reversal(reversal) => self.reversal(reversal).map(Some),
            Request::Capture(capture) => self.capture(step, capture).map(Some),
            Request::Hold(_) | Request::Release(_) | Request::Expiry(_) => {
                Err(Rejection::NoTransfer)
            }
            Request::Group(_) => Err(Rejection::NestedGroup),
        }
    }

    /// Makes the two entries of a movement, if the balances allow it.
    fn entries(&self, identifiers: Identifiers, movement: &Movement) -> Result<Receipt, Rejection> {
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
        from.require_limits(EntryType::Debit, movement.transfer_type, movement.amount)?;
        to.require_limits(EntryType::Credit, movement.transfer_type, movement.amount)?;
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
        let movement = Movement::new(TransferType::Transfer, request.from, request.to, amount);
        Ok(Some(movement))
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

    /// Applies a transfer to the state, for the requests after it, and adds its changes of holds.
    pub(super) fn keep(
        &mut self,
        transfer: &NewTransfer,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<(), Rejection> {
        if let Some(capture) = &transfer.capture {
            self.keep_capture(transfer, capture, events)?;
        }
        let receipt = &transfer.receipt;
        let sides = [
            (EntryType::Debit, &receipt.debit),
            (EntryType::Credit, &receipt.credit),
        ];
        for (direction, entry) in sides {
            if let Some(account) = self.accounts.get_mut(&entry.account_id) {
                account.balance = entry.running_balance.amount();
                account.last_entry_number = entry.entry_number;
                account.last_entry_at = Some(receipt.posted_at);
                account.version = account.version.saturating_add(1);
                account.use_limits(direction, receipt.transfer_type, receipt.amount);
            }
        }
        let original = receipt.reverses.and_then(|id| self.originals.get_mut(&id));
        if let Some(original) = original {
            // At most the original's amount.
            original.reversed = original.reversed.saturating_add(receipt.amount.amount());
        }
        Ok(())
    }
}

impl AccountState {
    pub(super) fn balance(&self) -> Result<Money, Rejection> {
        Ok(Money::new(self.balance, self.currency)?)
    }

    /// Returns the available balance; `None` for an account without a limit, or beyond the range of
    /// a decimal number.
    pub(super) fn available(&self) -> Option<Decimal> {
        let unreserved = self.balance.checked_sub(self.held)?;
        unreserved.checked_add(self.overdraft_limit?)
    }

    pub(super) fn require_available(&self, requested: Money) -> Result<(), Rejection> {
        if self.overdraft_limit.is_none() {
            return Ok(());
        }
        let available = self.available().ok_or_else(|| Rejection::Overflow {
            account: self.account_id,
            balance: Money::zero(self.currency),
            amount: requested,
        })?;
        if available < requested.amount() {
            return Err(Rejection::InsufficientFunds {
                account: self.account_id,
                available: Money::new(available, self.currency)?,
                requested,
            });
        }
        Ok(())
    }

    pub(super) fn entry(
        &self,
        transaction_id: EntryId,
        change: Money,
    ) -> Result<EntryReceipt, Rejection> {
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
