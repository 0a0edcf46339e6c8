//! The decision on a group: all of its steps, or none.

use std::collections::{BTreeMap, BTreeSet};

use neobank_entity::enums::EntryType;
use rust_decimal::Decimal;

use super::step::Step;
use super::{
    Decision, HoldState, IdentifiedRequest, KeyAndHash, LedgerState, NewHoldEvent, NewTransfer,
    OriginalTransfer,
};
use crate::ledger::decision::AccountState;
use crate::ledger::decision::movement::Movement;
use crate::ledger::receipt::{GroupReceipt, HoldReceipt, Outcome, Receipt, StepReceipt};
use crate::ledger::rejection::Rejection;
use crate::ledger::request::{
    Condition, GroupRequest, Measure, PostingKind, PostingRequest, Request, SystemAccount,
};
use crate::{AccountId, Currency, HoldId, Money, TransferId};

/// Rejects a line of a journal entry outside a group.
pub(super) fn require_no_clearing(posting: &PostingRequest) -> Result<(), Rejection> {
    if posting.kind == PostingKind::Clearing {
        return Err(Rejection::Unbalanced {
            currency: posting.amount.currency(),
            sum: signed(posting),
        });
    }
    Ok(())
}

/// Rejects the reversal of a line of a journal entry outside a group.
pub(super) fn require_no_line(reversal: &Movement) -> Result<(), Rejection> {
    let currency = reversal.amount.currency();
    let sum = cleared(reversal.from, reversal.to, reversal.amount);
    require_balanced(BTreeMap::from([(currency, sum)]))
}

impl LedgerState {
    /// Decides on a group, and adds what it writes. After a rejection the state is as before.
    pub(super) fn decide_group(
        &mut self,
        identified: &IdentifiedRequest<'_>,
        group: &GroupRequest,
        key: Option<KeyAndHash>,
        decision: &mut Decision,
    ) -> Result<Outcome, Rejection> {
        check_form(group)?;
        self.check_value_date(&group.attributes)?;
        if let Some(expires_at) = group.expires_at
            && self.now >= expires_at
        {
            let now = self.now;
            return Err(Rejection::GroupExpired { expires_at, now });
        }
        let before = self.part_of(identified.request);
        let events_before = decision.hold_events.len();
        let events = &mut decision.hold_events;
        let decided = self
            .decide_steps(identified, group, events)
            .and_then(|steps| {
                if has_reversal(group) {
                    require_balanced(sums(&steps))?;
                }
                let has_moved = steps.iter().any(Option::is_some);
                has_moved.then_some(steps).ok_or(Rejection::NothingMoved)
            });
        let mut steps = match decided {
            Ok(steps) => steps,
            Err(rejection) => {
                self.undo_holds(&mut decision.hold_events, events_before);
                self.restore(before);
                return Err(rejection);
            }
        };
        let group_id = identified.identifiers.group_id();
        let receipts = steps.iter().map(|step| Some(step.as_ref()?.receipt()));
        let receipt = GroupReceipt {
            group_id,
            steps: receipts.collect(),
        };
        if let Some(key) = key {
            let events = decision.hold_events.get_mut(events_before..);
            self.complete_group(key, &receipt, &mut steps, events.unwrap_or_default());
        }
        let transfers = steps.into_iter().flatten().filter_map(NewStep::transfer);
        decision.transfers.extend(transfers.map(|mut new| {
            new.group_id = Some(group_id);
            new
        }));
        Ok(Outcome::GroupPosted(receipt))
    }

    /// Gives the group's key to the event of its first hold or release, or to its first transfer if
    /// it has neither, and notes the key for the requests after it. The database looks the key of an
    /// event up among those of the transfers too, so it has the key of such a group once, whether or
    /// not a step moves money.
    fn complete_group(
        &mut self,
        key: KeyAndHash,
        receipt: &GroupReceipt,
        steps: &mut [Option<NewStep>],
        events: &mut [NewHoldEvent],
    ) {
        if let Some(first) = receipt.holds().next() {
            let mut events = events.iter_mut();
            let event = events.find(|event| event.receipt.event_id == first.event_id);
            self.complete_hold(key, first, Some(receipt), event);
            return;
        }
        let mut transfers = steps.iter_mut().flatten().filter_map(NewStep::transfer_mut);
        if let (Some(first), Some(posted)) = (transfers.next(), receipt.transfers().next()) {
            self.complete(&key, posted, Some(receipt));
            first.key = Some(key);
        }
    }

    /// Decides on the steps in their order, and applies each to the state.
    fn decide_steps(
        &mut self,
        identified: &IdentifiedRequest<'_>,
        group: &GroupRequest,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<Vec<Option<NewStep>>, Rejection> {
        let mut conditions = group.conditions.iter().peekable();
        let mut steps = Vec::with_capacity(group.steps.len());
        for (index, step) in Step::all(identified, group) {
            let at_step = |reason| Rejection::GroupStep {
                step: index,
                reason: Box::new(reason),
            };
            let new = self.apply_step(&step, group, events).map_err(at_step)?;
            steps.push(new);
            while let Some(next) = conditions.next_if(|next| next.step <= index) {
                self.check(&next.condition).map_err(at_step)?;
            }
        }
        Ok(steps)
    }

    /// Decides on a step and applies it to the state; `None` for a step that is allowed to change
    /// nothing and does.
    fn apply_step(
        &mut self,
        step: &Step<'_>,
        group: &GroupRequest,
        events: &mut Vec<NewHoldEvent>,
    ) -> Result<Option<NewStep>, Rejection> {
        if let Request::Hold(_) | Request::Release(_) = step.request {
            let Some(receipt) = self.change_of_step(step, events)? else {
                return Ok(None);
            };
            if let Some(event) = events.last_mut() {
                inherit_in_event(event, group);
            }
            return Ok(Some(NewStep::Hold(receipt)));
        }
        let Some(mut new) = self.decide_step(step)? else {
            return Ok(None);
        };
        inherit(&mut new, group);
        self.keep(&new, events)?;
        Ok(Some(NewStep::Transfer(new)))
    }

    fn check(&self, condition: &Condition) -> Result<(), Rejection> {
        let account_id = condition.account;
        let unknown = Rejection::UnknownAccount {
            account: account_id,
        };
        let account = self.accounts.get(&account_id).ok_or(unknown)?;
        let (holds, found) = match condition.measure {
            Measure::Version(version) => {
                let own = self.version_without_ends(account);
                (own == version, format!("version {own}"))
            }
            Measure::Balance(comparison, amount) => {
                require_currency(account, amount.currency())?;
                let holds = comparison.holds(account.balance, amount.amount());
                (holds, format!("balance {}", account.balance()?))
            }
            Measure::Available(comparison, amount) => {
                require_currency(account, amount.currency())?;
                let available = account.available().ok_or(Rejection::SystemAccount {
                    account: account_id,
                })?;
                let holds = comparison.holds(available, amount.amount());
                let available = Money::new(available, account.currency)?;
                (holds, format!("available balance {available}"))
            }
        };
        if holds {
            return Ok(());
        }
        Err(Rejection::ConditionFailed {
            account: account_id,
            condition: condition.measure.to_string(),
            found,
        })
    }

    /// Returns the part of the state that a request may change.
    pub(super) fn part_of(&self, request: &Request) -> Part {
        let accounts: BTreeSet<_> = request.accounts().collect();
        let holds = self.holds.iter();
        let holds = holds.filter(|(_, hold)| accounts.contains(&hold.account));
        let holds = holds.map(|(id, hold)| (*id, hold.clone())).collect();
        let accounts = accounts.into_iter();
        let originals = request.originals();
        Part {
            accounts: accounts
                .filter_map(|id| Some((id, self.accounts.get(&id)?.clone())))
                .collect(),
            originals: originals
                .filter_map(|id| Some((id, self.originals.get(&id)?.clone())))
                .collect(),
            holds,
        }
    }

    pub(super) fn restore(&mut self, part: Part) {
        self.accounts.extend(part.accounts);
        self.originals.extend(part.originals);
        self.holds.extend(part.holds);
    }
}

/// The change that a step makes.
#[allow(
    clippy::large_enum_variant,
    reason = "most steps are transfers, which need no allocation of their own"
)]
enum NewStep {
    Transfer(NewTransfer),
    Hold(HoldReceipt),
}

impl NewStep {
    fn receipt(&self) -> StepReceipt {
        match self {
            Self::Transfer(new) => StepReceipt::Transfer(new.receipt.clone()),
            Self::Hold(receipt) => StepReceipt::Hold(receipt.clone()),
        }
    }

    fn transfer(self) -> Option<NewTransfer> {
        match self {
            Self::Transfer(new) => Some(new),
            Self::Hold(_) => None,
        }
    }

    fn transfer_mut(&mut self) -> Option<&mut NewTransfer> {
        match self {
            Self::Transfer(new) => Some(new),
            Self::Hold(_) => None,
        }
    }
}

/// A part of the state, as it was before a request.
pub(super) struct Part {
    accounts: Vec<(AccountId, AccountState)>,
    originals: Vec<(TransferId, OriginalTransfer)>,
    holds: Vec<(HoldId, HoldState)>,
}

/// Checks what can be known of a group without accounts. The sum of a journal entry's lines is not
/// known while a reversal may be one of them.
fn check_form(group: &GroupRequest) -> Result<(), Rejection> {
    let steps = group.steps.len();
    if steps == 0 || steps > GroupRequest::STEPS_MAX {
        return Err(Rejection::GroupSize { steps });
    }
    let mut lines: BTreeMap<Currency, Decimal> = BTreeMap::new();
    for (index, step) in group.steps.iter().enumerate() {
        let at_step = |reason| Rejection::GroupStep {
            step: index,
            reason: Box::new(reason),
        };
        if let Request::Group(_) = step {
            return Err(at_step(Rejection::NestedGroup));
        }
        if let Some(key) = step.idempotency_key() {
            let key = crate::shortened(key);
            return Err(at_step(Rejection::KeyInGroup { key }));
        }
        super::checks::check_description(step).map_err(at_step)?;
        if let Request::Posting(posting) = step
            && posting.kind == PostingKind::Clearing
        {
            let sum = lines.entry(posting.amount.currency()).or_default();
            // Amounts are below 10^18 and steps few.
            *sum = sum.saturating_add(signed(posting));
        }
    }
    if has_reversal(group) {
        return Ok(());
    }
    require_balanced(lines)
}

fn has_reversal(group: &GroupRequest) -> bool {
    let mut steps = group.steps.iter();
    steps.any(|step| matches!(step, Request::Reversal(_)))
}

/// Returns the sums of the lines of journal entries and of their reversals.
fn sums(steps: &[Option<NewStep>]) -> BTreeMap<Currency, Decimal> {
    let mut sums: BTreeMap<Currency, Decimal> = BTreeMap::new();
    for step in steps.iter().flatten() {
        let NewStep::Transfer(new) = step else {
            continue;
        };
        let Receipt {
            amount,
            debit,
            credit,
            ..
        } = &new.receipt;
        let sum = sums.entry(amount.currency()).or_default();
        // Amounts are below 10^18 and steps few.
        *sum = sum.saturating_add(cleared(debit.account_id, credit.account_id, *amount));
    }
    sums
}

/// Returns the amount with the sign of the account on the other side of the clearing account; zero
/// for a transfer between other accounts.
fn cleared(from: AccountId, to: AccountId, amount: Money) -> Decimal {
    let clearing = SystemAccount::Clearing.id(amount.currency());
    if from == clearing {
        amount.amount()
    } else if to == clearing {
        amount.negated().amount()
    } else {
        Decimal::ZERO
    }
}

fn require_balanced(sums: BTreeMap<Currency, Decimal>) -> Result<(), Rejection> {
    match sums.into_iter().find(|(_, sum)| !sum.is_zero()) {
        Some((currency, sum)) => Err(Rejection::Unbalanced { currency, sum }),
        None => Ok(()),
    }
}

/// Gives a step the group's description and attributes where it has none of its own.
fn inherit(new: &mut NewTransfer, group: &GroupRequest) {
    if new.description.is_empty() {
        new.description.clone_from(&group.description);
        for text in [&mut new.debit_description, &mut new.credit_description] {
            if text.is_empty() {
                text.clone_from(&group.description);
            }
        }
    }
    if new.metadata.is_none() {
        new.metadata.clone_from(&group.attributes.metadata);
    }
    new.value_date = new.value_date.or(group.attributes.value_date);
}

/// As [`inherit`], for a hold or a release.
fn inherit_in_event(event: &mut NewHoldEvent, group: &GroupRequest) {
    if event.description.is_empty() {
        event.description.clone_from(&group.description);
    }
    if event.metadata.is_none() {
        event.metadata.clone_from(&group.attributes.metadata);
    }
}

/// Returns the amount with the sign of the customer's account.
fn signed(posting: &PostingRequest) -> Decimal {
    match posting.direction {
        EntryType::Credit => posting.amount.amount(),
        EntryType::Debit => posting.amount.negated().amount(),
    }
}

fn require_currency(account: &AccountState, currency: Currency) -> Result<(), Rejection> {
    if account.currency == currency {
        return Ok(());
    }
    Err(Rejection::CurrencyMismatch {
        account: account.account_id,
        account_currency: account.currency,
        currency,
    })
}
