//! Random histories, compared with a minimal model: whole numbers in a map.

mod groups;
mod long_history;

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use uuid::Uuid;

use chrono::DateTime;
use rust_decimal::Decimal;

use super::*;
use crate::accounts::AccountStatus;
use crate::ledger::{Outcome, Rejection, Request};
use crate::{AccountId, Currency, Money};
use neobank_entity::enums::EntryType;

use crate::ledger::{
    AdjustmentRequest, PostingKind, PostingRequest, SystemAccount, TransferRequest,
};

const ACCOUNTS: u8 = 5;

/// One request of the model.
#[derive(Clone, Debug)]
enum Step {
    Transfer {
        from: u8,
        to: u8,
        minor: i64,
        key: Option<u8>,
    },
    Post {
        account: u8,
        kind: PostingKind,
        credit: bool,
        minor: i64,
        key: Option<u8>,
    },
    Adjust {
        account: u8,
        minor: i64,
        version: i64,
    },
}

/// The model's result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Posted,
    Replayed,
    SameAccount,
    NotPositive,
    Unknown,
    NotActive,
    Funds,
    KeyReused,
    Stale,
    Unchanged,
}

/// Balances in minor units, without currencies, entries and texts.
#[derive(Clone, Debug, Default)]
struct Model {
    balances: BTreeMap<AccountId, i64>,
    limits: BTreeMap<AccountId, i64>,
    frozen: Vec<AccountId>,
    versions: BTreeMap<AccountId, i64>,
    keys: HashMap<u8, String>,
}

impl Model {
    fn expect(&mut self, step: &Step) -> Expected {
        let key = match step {
            Step::Transfer { key, .. } | Step::Post { key, .. } => *key,
            Step::Adjust { .. } => None,
        };
        let text = format!("{step:?}");
        if let Some(first) = key.and_then(|key| self.keys.get(&key)) {
            return if *first == text {
                Expected::Replayed
            } else {
                Expected::KeyReused
            };
        }
        let (from, to, minor) = match *step {
            Step::Transfer {
                from, to, minor, ..
            } => {
                if from == to {
                    return Expected::SameAccount;
                }
                (account(from), account(to), minor)
            }
            Step::Post {
                account: customer,
                kind,
                credit,
                minor,
                ..
            } => {
                let system = kind.system_account().id(koruna());
                let customer = account(customer);
                if credit {
                    (system, customer, minor)
                } else {
                    (customer, system, minor)
                }
            }
            Step::Adjust {
                account: customer,
                minor,
                version,
            } => {
                let customer = account(customer);
                let Some(balance) = self.balances.get(&customer) else {
                    return Expected::Unknown;
                };
                if self.frozen.contains(&customer) {
                    return Expected::NotActive;
                }
                if self.versions[&customer] != version {
                    return Expected::Stale;
                }
                let system = SystemAccount::Adjustment.id(koruna());
                match minor - balance {
                    0 => return Expected::Unchanged,
                    change if change > 0 => (system, customer, change),
                    change => (customer, system, -change),
                }
            }
        };
        if minor <= 0 {
            return Expected::NotPositive;
        }
        // The ledger checks the accounts in this order.
        let named = if let Step::Post {
            account: customer, ..
        } = step
        {
            vec![account(*customer)]
        } else {
            vec![from, to]
        };
        for account in named {
            if !self.balances.contains_key(&account) {
                return Expected::Unknown;
            }
            if self.frozen.contains(&account) {
                return Expected::NotActive;
            }
        }
        if self
            .limits
            .get(&from)
            .is_some_and(|limit| self.balances[&from] + limit < minor)
        {
            return Expected::Funds;
        }
        for (account, change) in [(from, -minor), (to, minor)] {
            *self.balances.get_mut(&account).unwrap() += change;
            *self.versions.get_mut(&account).unwrap() += 1;
        }
        if let Some(key) = key {
            self.keys.insert(key, text);
        }
        Expected::Posted
    }
}

fn koruna() -> Currency {
    Currency::from_code("CZK").unwrap()
}

fn account(number: u8) -> AccountId {
    Uuid::from_u128(u128::from(number) + 1).into()
}

fn money(minor: i64) -> Money {
    Money::new(Decimal::new(minor, 2), koruna()).unwrap()
}

fn request(step: &Step) -> Request {
    match *step {
        Step::Transfer {
            from,
            to,
            minor,
            key,
        } => {
            let mut transfer = TransferRequest::new(account(from), account(to), money(minor));
            transfer.idempotency_key = key.map(|key| key.to_string());
            transfer.into()
        }
        Step::Post {
            account: customer,
            kind,
            credit,
            minor,
            key,
        } => {
            let direction = if credit {
                EntryType::Credit
            } else {
                EntryType::Debit
            };
            let mut posting = PostingRequest::new(account(customer), kind, direction, money(minor));
            posting.idempotency_key = key.map(|key| key.to_string());
            posting.into()
        }
        Step::Adjust {
            account: customer,
            minor,
            version,
        } => AdjustmentRequest::new(account(customer), money(minor), version).into(),
    }
}

fn seen(outcome: &Outcome) -> Expected {
    match outcome {
        Outcome::Posted(_) => Expected::Posted,
        Outcome::Replayed(_) => Expected::Replayed,
        Outcome::GroupPosted(_) | Outcome::GroupReplayed(_) => panic!("the model has no groups"),
        Outcome::Hold(_) | Outcome::HoldReplayed(_) => panic!("the model has no holds"),
        Outcome::Rejected(rejection) => match rejection {
            Rejection::SameAccount { .. } => Expected::SameAccount,
            Rejection::AmountNotPositive { .. } => Expected::NotPositive,
            Rejection::UnknownAccount { .. } => Expected::Unknown,
            Rejection::NotActive { .. } => Expected::NotActive,
            Rejection::InsufficientFunds { .. } => Expected::Funds,
            Rejection::KeyReused { .. } => Expected::KeyReused,
            Rejection::StaleVersion { .. } => Expected::Stale,
            Rejection::BalanceUnchanged { .. } => Expected::Unchanged,
            other => panic!("the model does not know {other:?}"),
        },
    }
}

/// The initial state, for the ledger and for the model: account 3 is frozen, account 4 does not
/// exist.
fn beginning(balances: &[i64], limits: &[i64]) -> (LedgerState, Model) {
    let mut model = Model {
        frozen: vec![account(3)],
        ..Model::default()
    };
    let mut accounts = BTreeMap::new();
    let systems = [
        SystemAccount::External,
        SystemAccount::Interest,
        SystemAccount::Fees,
        SystemAccount::Adjustment,
    ];
    let customers = (0..4_u8).map(|number| {
        (
            account(number),
            balances[usize::from(number)],
            Some(limits[usize::from(number)]),
        )
    });
    for (account_id, balance, limit) in
        customers.chain(systems.map(|system| (system.id(koruna()), 0, None)))
    {
        model.balances.insert(account_id, balance);
        model.versions.insert(account_id, 1);
        if let Some(limit) = limit {
            model.limits.insert(account_id, limit);
        }
        let status = if model.frozen.contains(&account_id) {
            AccountStatus::Frozen
        } else {
            AccountStatus::Active
        };
        accounts.insert(
            account_id,
            AccountState {
                account_id,
                account_number: account_id.to_string(),
                currency: koruna(),
                status,
                balance: Decimal::new(balance, 2),
                held: Decimal::ZERO,
                overdraft_limit: limit.map(|limit| Decimal::new(limit, 2)),
                last_entry_number: 0,
                last_entry_at: None,
                opened_at: None,
                version: 1,
                has_limits: false,
                limits: Vec::new(),
            },
        );
    }
    (
        LedgerState {
            accounts,
            ..LedgerState::new(DateTime::UNIX_EPOCH)
        },
        model,
    )
}

fn identify(requests: &[Request]) -> Vec<IdentifiedRequest<'_>> {
    requests
        .iter()
        .zip(1_u128..)
        .map(|(request, number)| IdentifiedRequest {
            request_hash: request.idempotency_key().map(|_| request.hash()),
            request,
            identifiers: Identifiers {
                transfer_id: Uuid::from_u128(number << 24).into(),
                debit_id: Uuid::from_u128((number << 24) + (1 << 16)).into(),
                credit_id: Uuid::from_u128((number << 24) + (2 << 16)).into(),
            },
            actor: None,
        })
        .collect()
}

fn step() -> impl Strategy<Value = Step> {
    // Few accounts, few keys and amounts near the balances reach every branch often.
    let amount = prop_oneof![-2_i64..3, 0_i64..2_000, Just(i64::from(i32::MAX))];
    let key = proptest::option::weighted(0.4, 0_u8..6);
    let kind = prop_oneof![
        Just(PostingKind::External),
        Just(PostingKind::Interest),
        Just(PostingKind::Fee)
    ];
    prop_oneof![
        4 => (0..ACCOUNTS, 0..ACCOUNTS, amount.clone(), key.clone())
            .prop_map(|(from, to, minor, key)| Step::Transfer { from, to, minor, key }),
        3 => (0..ACCOUNTS, kind, any::<bool>(), amount.clone(), key)
            .prop_map(|(account, kind, credit, minor, key)| Step::Post { account, kind, credit, minor, key }),
        1 => (0..ACCOUNTS, amount, 1_i64..6).prop_map(|(account, minor, version)| Step::Adjust { account, minor, version }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_histories_equal_the_model(
        steps in proptest::collection::vec(step(), 1..60),
        balances in proptest::collection::vec(0_i64..3_000, 4),
        limits in proptest::collection::vec(0_i64..500, 4),
    ) {
        let (mut state, mut model) = beginning(&balances, &limits);
        let total: i64 = model.balances.values().sum();
        let requests: Vec<Request> = steps.iter().map(request).collect();
        let decision = decide(&mut state, &identify(&requests));

        let expected: Vec<Expected> = steps.iter().map(|step| model.expect(step)).collect();
        let outcomes: Vec<Expected> = decision.outcomes.iter().map(seen).collect();
        prop_assert_eq!(outcomes, expected);
        prop_assert_eq!(model.balances.values().sum::<i64>(), total);

        // Each account's entries continue each other, and end at the model's balance.
        let mut chains: BTreeMap<AccountId, (Decimal, i64)> = BTreeMap::new();
        for transfer in &decision.transfers {
            let receipt = &transfer.receipt;
            for (entry, change) in [(receipt.debit, receipt.amount.negated()), (receipt.credit, receipt.amount)] {
                let number: usize = usize::try_from(entry.account_id.as_uuid().as_u128()).unwrap_or(usize::MAX);
                let start = balances.get(number.wrapping_sub(1)).copied().unwrap_or(0);
                let chain = chains.entry(entry.account_id).or_insert((Decimal::new(start, 2), 0));
                prop_assert_eq!(entry.entry_number, chain.1 + 1);
                prop_assert_eq!(entry.running_balance.amount(), chain.0 + change.amount());
                *chain = (entry.running_balance.amount(), entry.entry_number);
            }
        }
        for (account, (balance, _)) in chains {
            prop_assert_eq!(balance, Decimal::new(model.balances[&account], 2));
        }
    }

    #[test]
    fn one_list_decides_as_many_lists_of_one(
        steps in proptest::collection::vec(step(), 1..30),
        balances in proptest::collection::vec(0_i64..3_000, 4),
    ) {
        let (state, _) = beginning(&balances, &[0; 4]);
        let requests: Vec<Request> = steps.iter().map(request).collect();
        let identified = identify(&requests);
        let together = decide(&mut state.clone(), &identified);

        let mut one_by_one = Decision::default();
        let mut state = state;
        for one in &identified {
            let decision = decide(&mut state, std::slice::from_ref(one));
            one_by_one.outcomes.extend(decision.outcomes);
            one_by_one.transfers.extend(decision.transfers);
        }
        prop_assert_eq!(together, one_by_one);
    }

    #[test]
    fn amounts_at_the_edges_never_panic(from in any::<i64>(), amount in any::<i64>(), limit in 0..i64::MAX) {
        let (mut state, _) = beginning(&[0; 4], &[0; 4]);
        for number in 0..2 {
            let state = state.accounts.get_mut(&account(number)).unwrap();
            state.balance = Decimal::from_i128_with_scale(i128::from(from), 2);
            state.overdraft_limit = Some(Decimal::from_i128_with_scale(i128::from(limit), 2));
        }
        if let Ok(amount) = Money::new(Decimal::from_i128_with_scale(i128::from(amount), 2), koruna()) {
            let request = Request::from(TransferRequest::new(account(0), account(1), amount));
            let decision = decide(&mut state, &identify(std::slice::from_ref(&request)));
            prop_assert_eq!(decision.outcomes.len(), 1);
        }
    }
}

#[test]
fn held_amount_is_not_available() {
    let (mut state, _) = beginning(&[1_000; 4], &[0; 4]);
    state.accounts.get_mut(&account(0)).unwrap().held = Decimal::new(400, 2);
    let requests = [601, 600]
        .map(|minor| Request::from(TransferRequest::new(account(0), account(1), money(minor))));
    let outcomes = decide(&mut state, &identify(&requests)).outcomes;
    assert_eq!(
        outcomes[0],
        Outcome::Rejected(Rejection::InsufficientFunds {
            account: account(0),
            available: money(600),
            requested: money(601)
        })
    );
    assert!(matches!(outcomes[1], Outcome::Posted(_)));
}
