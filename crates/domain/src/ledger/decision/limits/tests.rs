//! Random transfers under random limits, compared with a model of whole numbers.

use std::collections::BTreeMap;

use chrono::DateTime;
use neobank_entity::enums::EntryType;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::accounts::limits::{AccountLimit, LimitUse, Window};
use crate::ledger::{
    AccountState, HoldRequest, IdentifiedRequest, LedgerState, Outcome, Rejection, Request,
    TransferRequest, decide,
};
use crate::{AccountId, Currency, Money};

fn money(minor: i64) -> Money {
    Money::new(Decimal::new(minor, 2), Currency::from_code("CZK").unwrap()).unwrap()
}

/// Returns the state of two accounts, the first of which has limits.
fn state(limits: &[(EntryType, Window, i64)]) -> (LedgerState, [AccountId; 2]) {
    let accounts = [AccountId::new(), AccountId::new()];
    let mut state = LedgerState::new(DateTime::UNIX_EPOCH);
    for account in accounts {
        let mut one = AccountState::new(account, "NB", money(0).currency());
        one.balance = Decimal::from(1_000_000);
        state.accounts.insert(account, one);
    }
    let limited = state.accounts.get_mut(&accounts[0]).unwrap();
    limited.has_limits = true;
    limited.limits = limits
        .iter()
        .map(|(direction, window, minor)| {
            LimitUse::new(
                AccountLimit::new(*direction, *window, money(*minor)),
                money(0),
            )
        })
        .collect();
    (state, accounts)
}

fn limits() -> impl Strategy<Value = Vec<(EntryType, Window, i64)>> {
    let direction = prop_oneof![Just(EntryType::Debit), Just(EntryType::Credit)];
    let window = prop_oneof![
        Just(Window::Transfer),
        Just(Window::Day),
        (1_u16..=48).prop_map(Window::Rolling)
    ];
    prop::collection::vec((direction, window, 1_i64..500), 0..5)
}

proptest! {
    #[test]
    fn accepted_transfers_are_those_of_the_model(
        limits in limits(),
        steps in prop::collection::vec((any::<bool>(), 1_i64..200), 1..40),
    ) {
        let (mut state, [limited, other]) = state(&limits);
        let requests: Vec<Request> = steps
            .iter()
            .map(|(leaves, minor)| {
                let (from, to) = if *leaves { (limited, other) } else { (other, limited) };
                TransferRequest::new(from, to, money(*minor)).into()
            })
            .collect();
        let identified: Vec<_> = requests.iter().map(IdentifiedRequest::new).collect();
        let decision = decide(&mut state, &identified);
        let mut used: BTreeMap<bool, i64> = BTreeMap::new();
        for ((leaves, minor), outcome) in steps.iter().zip(&decision.outcomes) {
            let sum = used.entry(*leaves).or_default();
            let fits = limits.iter().all(|(direction, window, limit)| {
                (*direction == EntryType::Debit) != *leaves
                    || match window {
                        Window::Transfer => minor <= limit,
                        _ => *sum + minor <= *limit,
                    }
            });
            if fits {
                *sum += minor;
                prop_assert!(outcome.is_posted(), "{outcome:?}");
            } else {
                let is_exceeded = matches!(
                    outcome,
                    Outcome::Rejected(Rejection::LimitExceeded { account, used, .. })
                        if *account == limited && used.amount() <= Decimal::new(*sum, 2)
                );
                prop_assert!(is_exceeded, "{outcome:?}");
            }
        }
    }
}

#[test]
fn hold_above_the_limit_of_each_transfer_is_rejected() {
    let limits = [
        (EntryType::Debit, Window::Transfer, 100),
        (EntryType::Debit, Window::Day, 50),
    ];
    let (mut state, [limited, _]) = state(&limits);
    let requests: [Request; 2] = [
        HoldRequest::new(limited, money(101)).into(),
        // A hold uses up no day: its captures do.
        HoldRequest::new(limited, money(100)).into(),
    ];
    let identified: Vec<_> = requests.iter().map(IdentifiedRequest::new).collect();
    let outcomes = decide(&mut state, &identified).outcomes;
    assert!(
        matches!(
            outcomes[0],
            Outcome::Rejected(Rejection::LimitExceeded { .. })
        ),
        "{outcomes:?}"
    );
    assert!(!matches!(outcomes[1], Outcome::Rejected(_)), "{outcomes:?}");
}
