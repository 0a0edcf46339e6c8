//! Random groups, reversals and limited amounts, compared with a model of whole numbers.

use proptest::prelude::*;

use super::{ACCOUNTS, account, beginning, koruna, money};
use crate::TransferId;
use crate::ledger::decision::{
    Decision, IdentifiedRequest, Identifiers, LedgerState, OriginalTransfer, decide,
};
use crate::ledger::{
    Comparison, Condition, GroupRequest, JournalLine, Outcome, Rejection, Request, ReversalRequest,
    SystemAccount, TransferRequest, TransferType,
};

/// A step: accounts by their numbers, amounts in minor units.
#[derive(Clone, Debug)]
enum Step {
    Exact {
        from: u8,
        to: u8,
        minor: i64,
    },
    UpTo {
        from: u8,
        to: u8,
        minor: i64,
        allows_nothing: bool,
    },
    /// Reverses one of the posted transfers, counted from the first.
    Reverse {
        index: usize,
        minor: Option<i64>,
    },
}

#[derive(Clone, Debug)]
enum Operation {
    Single(Step),
    /// Steps, and the least balance that an account must have after the last one.
    Group(Vec<Step>, Option<(u8, i64)>),
    Journal(Vec<(u8, i64)>),
}

/// A transfer of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moved {
    from: u8,
    to: u8,
    minor: i64,
    reverses: Option<usize>,
}

/// Balances and limits of the accounts 0 to 3; account 3 is frozen, account 4 does not exist.
#[derive(Clone, Debug)]
struct Model {
    balances: Vec<i64>,
    limits: Vec<i64>,
    moved: Vec<Moved>,
    /// The transfers of earlier operations, which a request can name.
    known: usize,
}

impl Model {
    /// Returns what a step moves; `Err` when it is rejected.
    fn step(&mut self, step: &Step, is_in_group: bool) -> Result<Option<Moved>, ()> {
        let moved = match *step {
            Step::Exact { from, to, minor } => Moved {
                from,
                to,
                minor,
                reverses: None,
            },
            Step::UpTo {
                from,
                to,
                minor,
                allows_nothing,
            } => {
                if from == to || minor <= 0 || from > 2 || to > 2 {
                    return Err(());
                }
                let available = self.balances[usize::from(from)] + self.limits[usize::from(from)];
                match available.min(minor) {
                    least if least > 0 => Moved {
                        from,
                        to,
                        minor: least,
                        reverses: None,
                    },
                    _ if allows_nothing && is_in_group => return Ok(None),
                    _ => return Err(()),
                }
            }
            Step::Reverse { index, minor } => {
                let known = self.moved.get(..self.known);
                let original = known.and_then(|known| known.get(index)).ok_or(())?.clone();
                let reversed: i64 = self.reversals(index).map(|one| one.minor).sum();
                let left = original.minor - reversed;
                let minor = minor.unwrap_or(left);
                if original.reverses.is_some() || left <= 0 || minor > left {
                    return Err(());
                }
                let (from, to) = (original.to, original.from);
                Moved {
                    from,
                    to,
                    minor,
                    reverses: Some(index),
                }
            }
        };
        let Moved {
            from, to, minor, ..
        } = moved;
        if from == to || minor <= 0 || from > 2 || to > 2 {
            return Err(());
        }
        let (payer, payee) = (usize::from(from), usize::from(to));
        if self.balances[payer] + self.limits[payer] < minor {
            return Err(());
        }
        self.balances[payer] -= minor;
        self.balances[payee] += minor;
        self.moved.push(moved.clone());
        Ok(Some(moved))
    }

    fn reversals(&self, index: usize) -> impl Iterator<Item = &Moved> {
        self.moved
            .iter()
            .filter(move |one| one.reverses == Some(index))
    }

    /// Returns what an operation moves. After a rejection the model is as before.
    fn run(&mut self, operation: &Operation) -> Result<Vec<Option<Moved>>, ()> {
        let before = self.clone();
        self.known = self.moved.len();
        let moved = match operation {
            Operation::Single(step) => self.step(step, false).map(|moved| vec![moved]),
            Operation::Group(steps, condition) => {
                let moved: Result<Vec<_>, ()> =
                    steps.iter().map(|step| self.step(step, true)).collect();
                moved.and_then(|moved| {
                    let holds = condition.is_none_or(|(account, least)| {
                        self.balances[usize::from(account)] >= least
                    });
                    let has_moved = moved.iter().any(Option::is_some);
                    (holds && has_moved).then_some(moved).ok_or(())
                })
            }
            Operation::Journal(lines) => self.journal(lines),
        };
        if moved.is_err() {
            *self = before;
        }
        moved
    }

    fn journal(&mut self, lines: &[(u8, i64)]) -> Result<Vec<Option<Moved>>, ()> {
        let is_valid = !lines.is_empty()
            && lines.iter().map(|(_, minor)| minor).sum::<i64>() == 0
            && lines
                .iter()
                .all(|(account, minor)| *account < 3 && *minor != 0);
        if !is_valid {
            return Err(());
        }
        // The debits come first, each in its order.
        let (mut ordered, credits): (Vec<_>, Vec<_>) =
            lines.iter().copied().partition(|(_, minor)| *minor < 0);
        ordered.extend(credits);
        for (account, minor) in &ordered {
            let account = usize::from(*account);
            self.balances[account] += minor;
            if *minor < 0 && self.balances[account] + self.limits[account] < 0 {
                return Err(());
            }
        }
        // No later reversal names the lines, whose other side is the clearing account.
        Ok(vec![None; ordered.len()])
    }
}

/// The ledger's side: the state, and the identifiers of the model's transfers.
struct Ledger {
    state: LedgerState,
    ids: Vec<TransferId>,
}

impl Ledger {
    fn request(&self, step: &Step, model: &Model) -> Request {
        match *step {
            Step::Exact { from, to, minor } => {
                TransferRequest::new(account(from), account(to), money(minor)).into()
            }
            Step::UpTo {
                from,
                to,
                minor,
                allows_nothing,
            } => {
                let transfer = TransferRequest::new(account(from), account(to), money(minor));
                if allows_nothing {
                    transfer.up_to_or_nothing()
                } else {
                    transfer.up_to()
                }
                .into()
            }
            Step::Reverse { index, minor } => {
                let id = self.ids.get(index).copied();
                let mut request = ReversalRequest::new(id.unwrap_or_else(TransferId::new));
                request.amount = minor.map(money);
                request.parties = model
                    .moved
                    .get(index)
                    .map(|one| [account(one.from), account(one.to)]);
                request.into()
            }
        }
    }

    fn run(&mut self, operation: &Operation, model: &Model) -> Decision {
        // What the ledger reads under its locks before it decides.
        self.state.originals = self
            .ids
            .iter()
            .enumerate()
            .map(|(index, id)| {
                let moved = &model.moved[index];
                let reversed = model.reversals(index).map(|one| one.minor).sum();
                let original = OriginalTransfer {
                    transfer_type: match moved.reverses {
                        Some(_) => TransferType::Reversal,
                        None => TransferType::Transfer,
                    },
                    from: account(moved.from),
                    to: account(moved.to),
                    amount: money(moved.minor),
                    reversed: money(reversed).amount(),
                };
                (*id, original)
            })
            .collect();
        let request = match operation {
            Operation::Single(step) => self.request(step, model),
            Operation::Group(steps, condition) => {
                let group = steps.iter().fold(GroupRequest::new(), |group, step| {
                    group.with_step(self.request(step, model))
                });
                match condition {
                    Some((number, least)) => group.with_condition(Condition::balance(
                        account(*number),
                        Comparison::AtLeast,
                        money(*least),
                    )),
                    None => group,
                }
                .into()
            }
            Operation::Journal(lines) => {
                GroupRequest::journal_entry(lines.iter().map(|(number, minor)| {
                    if *minor < 0 {
                        JournalLine::debit(account(*number), money(-minor))
                    } else {
                        JournalLine::credit(account(*number), money(*minor))
                    }
                }))
                .into()
            }
        };
        let identified = IdentifiedRequest {
            identifiers: Identifiers::of(&request),
            ..IdentifiedRequest::new(&request)
        };
        decide(&mut self.state, &[identified])
    }
}

fn step() -> impl Strategy<Value = Step> {
    let amount = || prop_oneof![-1_i64..2, 1_i64..1_500];
    prop_oneof![
        3 => (0..ACCOUNTS, 0..ACCOUNTS, amount()).prop_map(|(from, to, minor)| Step::Exact { from, to, minor }),
        2 => (0..ACCOUNTS, 0..ACCOUNTS, amount(), any::<bool>())
            .prop_map(|(from, to, minor, allows_nothing)| Step::UpTo { from, to, minor, allows_nothing }),
        3 => (0_usize..12, proptest::option::of(amount())).prop_map(|(index, minor)| Step::Reverse { index, minor }),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let condition = proptest::option::weighted(0.3, (0_u8..3, 0_i64..1_000));
    let line = (0_u8..4, prop_oneof![-500_i64..500, Just(100), Just(-100)]);
    prop_oneof![
        4 => step().prop_map(Operation::Single),
        4 => (proptest::collection::vec(step(), 0..5), condition)
            .prop_map(|(steps, condition)| Operation::Group(steps, condition)),
        1 => (proptest::collection::vec(line, 0..4), any::<bool>()).prop_map(|(mut lines, balances)| {
            if balances && let Some(last) = lines.pop() {
                let sum: i64 = lines.iter().map(|(_, minor)| minor).sum();
                lines.push((last.0, -sum));
            }
            Operation::Journal(lines)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_groups_and_reversals_equal_the_model(
        operations in proptest::collection::vec(operation(), 1..25),
        balances in proptest::collection::vec(0_i64..2_000, 4),
        limits in proptest::collection::vec(0_i64..300, 4),
    ) {
        let (mut state, _) = beginning(&balances, &limits);
        for system in [SystemAccount::Clearing, SystemAccount::Exchange] {
            let mut own = state.accounts[&SystemAccount::Fees.id(koruna())].clone();
            own.account_id = system.id(koruna());
            state.accounts.insert(own.account_id, own);
        }
        let mut ledger = Ledger { state, ids: Vec::new() };
        let mut model = Model { balances, limits, moved: Vec::new(), known: 0 };
        for operation in &operations {
            let state_before = ledger.state.accounts.clone();
            let decision = ledger.run(operation, &model);
            let expected = model.run(operation);
            let outcome = &decision.outcomes[0];
            prop_assert_eq!(outcome.is_posted(), expected.is_ok(), "{:?}: {:?}", operation, outcome);
            let Ok(expected) = expected else {
                // A rejection leaves no trace, and a group's names a step.
                prop_assert_eq!(&ledger.state.accounts, &state_before);
                prop_assert!(decision.transfers.is_empty());
                if let (Operation::Group(steps, _), Outcome::Rejected(Rejection::GroupStep { step, .. })) = (operation, outcome) {
                    prop_assert!(*step < steps.len());
                }
                continue;
            };
            if let Operation::Journal(lines) = operation {
                prop_assert_eq!(decision.transfers.len(), lines.len());
                let clearing = &ledger.state.accounts[&SystemAccount::Clearing.id(koruna())];
                prop_assert!(clearing.balance.is_zero());
            } else {
                let moved: Vec<_> = expected.iter().flatten().collect();
                prop_assert_eq!(decision.transfers.len(), moved.len());
                for (new, moved) in decision.transfers.iter().zip(moved) {
                    let receipt = &new.receipt;
                    prop_assert_eq!(receipt.debit.account_id, account(moved.from));
                    prop_assert_eq!(receipt.credit.account_id, account(moved.to));
                    prop_assert_eq!(receipt.amount, money(moved.minor));
                    let reverses = moved.reverses.map(|index| ledger.ids[index]);
                    prop_assert_eq!(receipt.reverses, reverses);
                    ledger.ids.push(receipt.transfer_id);
                }
                if let Outcome::GroupPosted(group) = outcome {
                    let steps: Vec<_> = group.steps.iter().map(Option::is_some).collect();
                    let expected: Vec<_> = expected.iter().map(Option::is_some).collect();
                    prop_assert_eq!(steps, expected);
                }
            }
            for number in 0..4_u8 {
                let state = &ledger.state.accounts[&account(number)];
                prop_assert_eq!(state.balance, money(model.balances[usize::from(number)]).amount());
            }
        }
    }
}
