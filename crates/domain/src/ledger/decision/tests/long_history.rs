//! A long history of every kind of request, with ends of holds and steps of the clock, compared
//! with a model of whole numbers. Every invariant is checked after every step.
//!
//! `NEOBANK_MODEL_STEPS` sets the number of steps, and `NEOBANK_MODEL_SEED` the seed.

mod model;

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use neobank_entity::enums::{HoldEventType, HoldStatus, TransferType};
use rust_decimal::Decimal;
use uuid::Uuid;

use self::model::{HOLDS_MAX, Model, Moved, Operation, Party, Random, Step, TRANSFERS_MAX};
use crate::accounts::AccountStatus;
use crate::ledger::decision::{
    AccountState, Decision, IdentifiedRequest, LedgerState, OriginalTransfer, decide,
};
use crate::ledger::request::HeldBy;
use crate::ledger::{
    AdjustmentRequest, CaptureRequest, Comparison, Condition, ExchangeRequest, ExpiryRequest,
    Given, GroupRequest, HoldRequest, JournalLine, Outcome, PostingRequest, Receipt,
    ReleaseRequest, Request, ReversalRequest, StepReceipt, SystemAccount, TransferRequest,
};
use crate::{AccountId, Currency, HoldId, Money, TransferId};

/// The steps of a run without the environment variable.
const STEPS: u64 = 20_000;
/// The requests with keys that may be repeated.
const KEYED_MAX: usize = 40;

#[test]
fn long_history_equals_the_model() {
    let steps = variable("NEOBANK_MODEL_STEPS", STEPS);
    let seed = variable("NEOBANK_MODEL_SEED", 7);
    let mut history = History::begin(seed);
    for number in 0..steps {
        history.number = number;
        history.run();
    }
    let counts = &history.counts;
    println!("{steps} steps of seed {seed}: {counts:?}");
    for kind in [
        "accepted",
        "rejected",
        "replayed",
        "transfers",
        "groups",
        "groups with holds",
        "holds",
        "captures",
        "releases",
        "expiries",
        "ended",
        "reversals",
        "adjustments",
    ] {
        let count = counts.get(kind).copied().unwrap_or_default();
        assert!(count > steps / 1_000, "{kind}: {count}");
    }
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The end of an account's chain of entries, and of its chain of held balances.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    balance: Decimal,
    held: Decimal,
    entries: i64,
    last_entry_at: Option<DateTime<Utc>>,
    version: i64,
}

struct History {
    random: Random,
    model: Model,
    state: LedgerState,
    /// The identifiers of the model's transfers and holds.
    transfers: VecDeque<TransferId>,
    holds: VecDeque<HoldId>,
    chains: BTreeMap<AccountId, Chain>,
    keyed: VecDeque<(Request, Outcome)>,
    counts: BTreeMap<&'static str, u64>,
    number: u64,
}

impl History {
    fn begin(seed: u64) -> Self {
        let model = Model::new();
        let mut state = LedgerState::new(time(0));
        for number in 0..model.accounts.len() {
            let mut one = AccountState::new(account(number), "NB", currency(number));
            one.overdraft_limit = Some(Decimal::new(model.accounts[number].limit, 2));
            state.accounts.insert(one.account_id, one);
        }
        for currency in [currency(0), currency(model.accounts.len() - 1)] {
            for system in SystemAccount::ALL {
                let mut one = AccountState::new(system.id(currency), "SYS", currency);
                one.overdraft_limit = None;
                state.accounts.insert(one.account_id, one);
            }
        }
        let chains = state.accounts.iter().map(|(id, one)| (*id, chain(one)));
        Self {
            random: Random::new(seed),
            chains: chains.collect(),
            model,
            state,
            transfers: VecDeque::new(),
            holds: VecDeque::new(),
            keyed: VecDeque::new(),
            counts: BTreeMap::new(),
            number: 0,
        }
    }

    fn count(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
    }

    fn run(&mut self) {
        self.model.step_clock(&mut self.random);
        self.state.now = time(self.model.now);
        if !self.keyed.is_empty() && self.random.below(20) == 0 {
            self.repeat();
            return self.check_state();
        }
        let operation = self.model.operation(&mut self.random);
        match operation {
            Operation::Freeze { account: number } => {
                let one = &mut self.model.accounts[number];
                one.is_frozen = !one.is_frozen;
                let state = self.state.accounts.get_mut(&account(number)).unwrap();
                state.status = if one.is_frozen {
                    AccountStatus::Frozen
                } else {
                    AccountStatus::Active
                };
            }
            Operation::Limit {
                account: number,
                minor,
            } => {
                if self.model.set_limit(number, minor) {
                    let state = self.state.accounts.get_mut(&account(number)).unwrap();
                    state.overdraft_limit = Some(Decimal::new(minor, 2));
                }
            }
            other => self.execute(&other),
        }
        self.check_state();
        self.forget();
    }

    /// Sends an earlier request with its key again: nothing changes.
    fn repeat(&mut self) {
        let (request, first) = self.keyed[self.random.index(self.keyed.len())].clone();
        let before = (self.state.accounts.clone(), self.state.holds.clone());
        let decision = decide(&mut self.state, &[IdentifiedRequest::new(&request)]);
        assert!(decision.is_empty(), "{}: {request:?}", self.number);
        assert_eq!(
            before,
            (self.state.accounts.clone(), self.state.holds.clone())
        );
        let replayed = match first {
            Outcome::Posted(receipt) => Outcome::Replayed(receipt),
            Outcome::GroupPosted(receipt) => Outcome::GroupReplayed(receipt),
            Outcome::Hold(receipt) => Outcome::HoldReplayed(receipt),
            other => panic!("{other:?}"),
        };
        assert_eq!(decision.outcomes, [replayed], "{}", self.number);
        self.count("replayed");
    }

    fn execute(&mut self, operation: &Operation) {
        let Some(mut request) = self.request(operation) else {
            return;
        };
        if self.random.below(4) == 0 {
            request = request.with_idempotency_key(format!("key {}", self.number));
        }
        self.note_originals();
        let before = (self.state.accounts.clone(), self.state.holds.clone());
        let decision = decide(&mut self.state, &[IdentifiedRequest::new(&request)]);
        let expected = self.model.run(operation);
        let outcome = &decision.outcomes[0];
        let said = || {
            format!(
                "{}: {operation:?}: {outcome:?}, expected {expected:?}",
                self.number
            )
        };
        match (outcome, &expected) {
            (Outcome::Rejected(_), Err(_)) => {
                assert!(decision.is_empty(), "{}", said());
                assert!(
                    before == (self.state.accounts.clone(), self.state.holds.clone()),
                    "a rejection left a trace: {}",
                    said()
                );
            }
            (Outcome::Posted(receipt), Ok(moved)) => {
                assert_eq!(moved.len(), 1, "{}", said());
                assert_moved(receipt, moved[0].as_ref().unwrap(), &said);
            }
            (Outcome::GroupPosted(group), Ok(moved)) => {
                assert_eq!(group.steps.len(), moved.len(), "{}", said());
                for (receipt, moved) in group.steps.iter().zip(moved) {
                    assert_eq!(receipt.is_some(), moved.is_some(), "{}", said());
                    if let (Some(receipt), Some(moved)) = (receipt, moved) {
                        assert_step(receipt, moved, &said);
                    }
                }
                let made = group
                    .holds()
                    .filter(|change| change.event_type == HoldEventType::Authorised);
                self.holds.extend(made.map(|change| change.hold_id));
            }
            (Outcome::Hold(receipt), Ok(moved)) => {
                assert!(moved.is_empty(), "{}", said());
                if matches!(operation, Operation::Hold { .. }) {
                    self.holds.push_back(receipt.hold_id);
                }
            }
            _ => panic!("{}", said()),
        }
        self.note_transfers(operation, outcome);
        self.count_kinds(operation, outcome, &decision);
        if !matches!(outcome, Outcome::Rejected(_)) && request.idempotency_key().is_some() {
            self.keyed.push_back((request, outcome.clone()));
        }
        self.follow(&decision);
    }

    fn count_kinds(&mut self, operation: &Operation, outcome: &Outcome, decision: &Decision) {
        if matches!(outcome, Outcome::Rejected(_)) {
            return self.count("rejected");
        }
        self.count("accepted");
        if matches!(outcome, Outcome::GroupPosted(_)) && outcome.hold_events().next().is_some() {
            self.count("groups with holds");
        }
        for transfer in &decision.transfers {
            self.count("transfers");
            if transfer.receipt.reverses.is_some() {
                self.count("reversals");
            }
            if transfer.receipt.hold.is_some() {
                self.count("captures");
            }
        }
        let is_expiry = matches!(operation, Operation::Expiry { .. });
        let ended = decision
            .hold_events
            .iter()
            .any(|event| event.receipt.event_type.as_str() == "expired");
        if ended && !is_expiry {
            self.count("ended");
        }
        let kind = match operation {
            Operation::Group(..) | Operation::Journal(_) | Operation::Exchange { .. } => "groups",
            Operation::Hold { .. } => "holds",
            Operation::Release { .. } => "releases",
            Operation::Expiry { .. } => "expiries",
            Operation::Adjustment { .. } => "adjustments",
            _ => return,
        };
        self.count(kind);
    }

    /// Keeps the identifiers of the transfers that the model keeps.
    fn note_transfers(&mut self, operation: &Operation, outcome: &Outcome) {
        match operation {
            Operation::Journal(_) | Operation::Exchange { .. } => {}
            _ => {
                let receipts = outcome.receipts();
                self.transfers
                    .extend(receipts.map(|receipt| receipt.transfer_id));
            }
        }
        assert_eq!(self.transfers.len(), self.model.transfers.len());
        assert_eq!(self.holds.len(), self.model.holds.len());
    }

    /// Continues the chains of entries and holds by what the decision writes.
    fn follow(&mut self, decision: &Decision) {
        for event in &decision.hold_events {
            let receipt = &event.receipt;
            let chain = self.chains.get_mut(&receipt.account_id).unwrap();
            let amount = receipt.amount.amount();
            let is_new = receipt.event_type.as_str() == "authorised";
            chain.held += if is_new { amount } else { -amount };
            chain.version += 1;
            assert!(amount > Decimal::ZERO, "{}", self.number);
            assert!(
                receipt.remaining.amount() >= Decimal::ZERO,
                "{}",
                self.number
            );
            assert_eq!(receipt.held_balance.amount(), chain.held, "{}", self.number);
        }
        for transfer in &decision.transfers {
            let receipt = &transfer.receipt;
            let amount = receipt.amount.amount();
            assert!(amount > Decimal::ZERO, "{}", self.number);
            for (entry, change) in [(&receipt.debit, -amount), (&receipt.credit, amount)] {
                let chain = self.chains.get_mut(&entry.account_id).unwrap();
                chain.balance += change;
                chain.entries += 1;
                chain.version += 1;
                assert_eq!(
                    entry.running_balance.amount(),
                    chain.balance,
                    "{}",
                    self.number
                );
                assert_eq!(entry.entry_number, chain.entries, "{}", self.number);
                assert!(
                    chain.last_entry_at <= Some(receipt.posted_at),
                    "{}",
                    self.number
                );
                chain.last_entry_at = Some(receipt.posted_at);
            }
        }
    }

    fn check_state(&self) {
        let number = self.number;
        let mut sums: BTreeMap<Currency, Decimal> = BTreeMap::new();
        for (id, one) in &self.state.accounts {
            assert_eq!(chain(one), self.chains[id], "{number}: {id}");
            *sums.entry(one.currency).or_default() += one.balance;
            assert!(one.held >= Decimal::ZERO, "{number}: {id}");
            if let Some(limit) = one.overdraft_limit {
                assert!(
                    one.balance - one.held + limit >= Decimal::ZERO,
                    "{number}: {id}"
                );
            }
        }
        for (currency, sum) in sums {
            assert_eq!(sum, Decimal::ZERO, "{number}: {currency}");
            let clearing = &self.state.accounts[&SystemAccount::Clearing.id(currency)];
            assert_eq!(clearing.balance, Decimal::ZERO, "{number}: {currency}");
        }
        for (place, one) in self.model.accounts.iter().enumerate() {
            let found = &self.state.accounts[&account(place)];
            assert_eq!(
                found.balance,
                Decimal::new(one.balance, 2),
                "{number}: {place}"
            );
            let held = Decimal::new(self.model.recorded(place), 2);
            assert_eq!(found.held, held, "{number}: {place}");
        }
        for (id, hold) in self.holds.iter().zip(&self.model.holds) {
            let found = &self.state.holds[id];
            let is_open = found.status == HoldStatus::Open;
            assert_eq!(is_open, hold.remaining > 0, "{number}: {found:?}");
            let remaining = Decimal::new(hold.remaining, 2);
            assert_eq!(found.remaining.amount(), remaining, "{number}: {found:?}");
        }
    }

    /// Gives the decision what the ledger would read of the transfers.
    fn note_originals(&mut self) {
        self.state.originals.clear();
        for (id, moved) in self.transfers.iter().zip(&self.model.transfers) {
            let original = OriginalTransfer {
                transfer_type: if moved.is_reversal {
                    TransferType::Reversal
                } else {
                    TransferType::Transfer
                },
                from: moved.from.id(moved.is_in_euros),
                to: moved.to.id(moved.is_in_euros),
                amount: money_in(moved.is_in_euros, moved.minor),
                reversed: Decimal::new(moved.reversed, 2),
            };
            self.state.originals.insert(*id, original);
        }
    }

    /// Forgets what no later request names, so that a step takes as long at the end as at the start.
    fn forget(&mut self) {
        while self.transfers.len() > TRANSFERS_MAX {
            self.transfers.pop_front();
            self.model.transfers.pop_front();
        }
        while self.holds.len() > HOLDS_MAX {
            let place = self.model.holds.iter().position(|hold| hold.remaining == 0);
            let Some(place) = place else { break };
            self.model.holds.remove(place);
            let id = self.holds.remove(place).unwrap();
            self.state.holds.remove(&id);
        }
        while self.keyed.len() > KEYED_MAX {
            let (request, _) = self.keyed.pop_front().unwrap();
            let key = request.idempotency_key().unwrap();
            self.state.completed.remove(key);
            self.state.completed_holds.remove(key);
        }
    }

    fn request(&self, operation: &Operation) -> Option<Request> {
        Some(match operation {
            Operation::Step(step) => self.step(step, &[]),
            Operation::Adjustment {
                account: number,
                minor,
                is_stale,
            } => {
                let version = self.state.accounts[&account(*number)].version;
                let expected = version + i64::from(*is_stale);
                AdjustmentRequest::new(account(*number), money(*number, *minor), expected).into()
            }
            Operation::Group(steps, condition) => {
                let group = steps.iter().fold(GroupRequest::new(), |group, step| {
                    group.with_step(self.step(step, steps))
                });
                match *condition {
                    Some((number, least)) => group.with_condition(Condition::available(
                        account(number),
                        Comparison::AtLeast,
                        money(number, least),
                    )),
                    None => group,
                }
                .into()
            }
            Operation::Journal(lines) => {
                let lines = lines.iter().map(|(number, minor)| {
                    let amount = money(*number, minor.abs());
                    if *minor < 0 {
                        JournalLine::debit(account(*number), amount)
                    } else {
                        JournalLine::credit(account(*number), amount)
                    }
                });
                GroupRequest::journal_entry(lines).into()
            }
            Operation::Exchange {
                from,
                to,
                sold,
                rate,
            } => {
                let given = Given::Sold(money(*from, *sold));
                let rate = Decimal::new(*rate, 4);
                let exchange =
                    ExchangeRequest::new(account(*from), account(*to), given, "EUR", rate);
                exchange.into_group().ok()?.into()
            }
            Operation::Hold {
                account: number,
                to,
                minor,
                ends,
            } => {
                let mut hold = HoldRequest::new(account(*number), money(*number, *minor));
                hold.to = to.map(account);
                hold.expires_at = ends.map(time);
                hold.into()
            }
            Operation::Release { hold } => {
                let mut release = ReleaseRequest::new(self.hold(*hold));
                release.held_by = self.held_by(*hold);
                release.into()
            }
            Operation::Expiry { hold } => {
                let mut expiry = ExpiryRequest::new(self.hold(*hold));
                expiry.held_by = self.held_by(*hold);
                expiry.into()
            }
            Operation::Freeze { .. } | Operation::Limit { .. } => return None,
        })
    }

    /// Returns the request of a step among the steps of its group.
    fn step(&self, step: &Step, of_group: &[Step]) -> Request {
        match *step {
            Step::Transfer { from, to, minor } => {
                TransferRequest::new(account(from), account(to), money(from, minor)).into()
            }
            Step::UpTo {
                from,
                to,
                minor,
                allows_nothing,
            } => {
                let transfer = TransferRequest::new(account(from), account(to), money(from, minor));
                if allows_nothing {
                    transfer.up_to_or_nothing().into()
                } else {
                    transfer.up_to().into()
                }
            }
            Step::Posting {
                account: number,
                kind,
                direction,
                minor,
            } => {
                let amount = money(number, minor);
                PostingRequest::new(account(number), kind, direction, amount).into()
            }
            Step::Reversal { transfer, minor } => {
                let id = self.transfers.get(transfer).copied();
                let mut reversal = ReversalRequest::new(id.unwrap_or_else(TransferId::new));
                let original = self.model.transfers.get(transfer);
                let is_in_euros = original.is_some_and(|one| one.is_in_euros);
                reversal.amount = minor.map(|minor| money_in(is_in_euros, minor));
                reversal.parties =
                    original.map(|one| [one.from.id(one.is_in_euros), one.to.id(one.is_in_euros)]);
                reversal.into()
            }
            Step::Capture {
                hold,
                minor,
                to,
                last,
            } => {
                let payer = self.model.holds.get(hold).map_or(0, |hold| hold.account);
                let mut capture = CaptureRequest::new(self.hold(hold));
                capture.amount = minor.map(|minor| money(payer, minor));
                capture.to = to.map(account);
                capture.last = last;
                capture.held_by = self.held_by(hold);
                capture.into()
            }
            Step::Hold {
                account: number,
                to,
                minor,
                ends,
            } => {
                let mut hold = HoldRequest::new(account(number), money(number, minor));
                hold.to = to.map(account);
                hold.expires_at = ends.map(time);
                hold.into()
            }
            Step::Release { hold, if_open } => {
                let mut release = ReleaseRequest::new(self.hold(hold));
                release.if_open = if_open;
                release.held_by = self.held_by(hold);
                release.into()
            }
            Step::ReleaseMade { step } => ReleaseRequest::of_step(step).into(),
            Step::CaptureMade {
                step,
                minor,
                to,
                last,
            } => {
                let payer = match of_group.get(step) {
                    Some(Step::Hold { account, .. }) => *account,
                    _ => 0,
                };
                let mut capture = CaptureRequest::of_step(step);
                capture.amount = minor.map(|minor| money(payer, minor));
                capture.to = to.map(account);
                capture.last = last;
                capture.into()
            }
        }
    }

    fn hold(&self, hold: usize) -> HoldId {
        self.holds.get(hold).copied().unwrap_or_else(HoldId::new)
    }

    fn held_by(&self, hold: usize) -> Option<HeldBy> {
        self.model.holds.get(hold).map(|hold| HeldBy {
            account: account(hold.account),
            to: hold.to.map(account),
        })
    }
}

/// Compares the receipt of a step with the model's.
fn assert_step(receipt: &StepReceipt, moved: &Moved, said: &impl Fn() -> String) {
    match receipt {
        StepReceipt::Transfer(receipt) if !moved.is_hold => assert_moved(receipt, moved, said),
        StepReceipt::Hold(change) if moved.is_hold => {
            let amount = money_in(moved.is_in_euros, moved.minor);
            assert_eq!(change.amount, amount, "{}", said());
        }
        _ => panic!("{}", said()),
    }
}

impl Party {
    fn id(self, is_in_euros: bool) -> AccountId {
        match self {
            Self::Customer(number) => account(number),
            Self::Bank(system) => system.id(money_in(is_in_euros, 0).currency()),
        }
    }
}

fn chain(one: &AccountState) -> Chain {
    Chain {
        balance: one.balance,
        held: one.held,
        entries: one.last_entry_number,
        last_entry_at: one.last_entry_at,
        version: one.version,
    }
}

fn assert_moved(receipt: &Receipt, moved: &Moved, said: &impl Fn() -> String) {
    let amount = money_in(moved.is_in_euros, moved.minor);
    assert_eq!(receipt.amount, amount, "{}", said());
    let sides = [receipt.debit.account_id, receipt.credit.account_id];
    let expected = [moved.from, moved.to].map(|party| party.id(moved.is_in_euros));
    assert_eq!(sides, expected, "{}", said());
}

fn account(number: usize) -> AccountId {
    Uuid::from_u128(u128::try_from(number).unwrap() + 1).into()
}

fn currency(number: usize) -> Currency {
    money(number, 0).currency()
}

fn money(number: usize, minor: i64) -> Money {
    money_in(model::is_in_euros(number), minor)
}

fn money_in(is_in_euros: bool, minor: i64) -> Money {
    let code = if is_in_euros { "EUR" } else { "CZK" };
    Money::new(Decimal::new(minor, 2), Currency::from_code(code).unwrap()).unwrap()
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}
