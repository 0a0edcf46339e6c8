//! Transfers in all directions between few accounts.

use std::collections::HashMap;
use std::sync::Arc;

use neobank_domain::{AccountId, LedgerError, Money, Rejection, TransferRequest};

use crate::harness::{Random, TestBank, czk};

on_both_versions!(
    transfers_in_all_directions_neither_deadlock_nor_lose_updates,
    batches_in_all_directions_neither_deadlock_nor_lose_updates,
);

const TASKS: u64 = 24;
const ROUNDS: u64 = 30;

/// Asserts that the balances are the sums of the posted transfers.
async fn assert_balances(
    bank: &TestBank,
    start: Money,
    moved: Vec<(AccountId, AccountId, Money)>,
    accounts: &[AccountId],
) {
    let mut expected: HashMap<AccountId, Money> =
        accounts.iter().map(|account| (*account, start)).collect();
    for (from, to, amount) in moved {
        let payer = expected.get_mut(&from).unwrap();
        *payer = payer.checked_sub(amount).unwrap();
        let payee = expected.get_mut(&to).unwrap();
        *payee = payee.checked_add(amount).unwrap();
    }
    for account in accounts {
        assert_eq!(bank.balance(*account).await, expected[account]);
    }
    bank.assert_sound().await;
    bank.assert_no_deadlock().await;
}

async fn accounts(bank: &TestBank, count: usize, balance: Money) -> Arc<[AccountId]> {
    let mut accounts = Vec::new();
    for _ in 0..count {
        accounts.push(bank.account(balance).await);
    }
    accounts.into()
}

async fn transfers_in_all_directions_neither_deadlock_nor_lose_updates(bank: TestBank) {
    let accounts = accounts(&bank, 5, czk("50")).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (ledger, accounts) = (bank.ledger.clone(), Arc::clone(&accounts));
            tokio::spawn(async move {
                let mut random = Random::new(task);
                let mut moved = Vec::new();
                for _ in 0..ROUNDS {
                    let (from, to) = random.pair(&accounts);
                    let amount = czk(&format!("{}.{:02}", random.below(20), 1 + random.below(99)));
                    match ledger
                        .transfer(TransferRequest::new(from, to, amount))
                        .await
                    {
                        Ok(_) => moved.push((from, to, amount)),
                        Err(LedgerError::Rejected(Rejection::InsufficientFunds { .. })) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                moved
            })
        })
        .collect();
    let mut moved = Vec::new();
    for task in tasks {
        moved.extend(task.await.unwrap());
    }
    assert!(moved.len() > 100, "{}", moved.len());
    assert_balances(&bank, czk("50"), moved, &accounts).await;
}

async fn batches_in_all_directions_neither_deadlock_nor_lose_updates(bank: TestBank) {
    let accounts = accounts(&bank, 8, czk("50")).await;
    let tasks: Vec<_> = (0..TASKS / 2)
        .map(|task| {
            let (ledger, accounts) = (bank.ledger.clone(), Arc::clone(&accounts));
            tokio::spawn(async move {
                let mut random = Random::new(1_000 + task);
                let mut moved = Vec::new();
                for _ in 0..ROUNDS / 5 {
                    let wanted: Vec<_> = (0..20)
                        .map(|_| {
                            let (from, to) = random.pair(&accounts);
                            (
                                from,
                                to,
                                czk(&format!("{}.{:02}", random.below(20), 1 + random.below(99))),
                            )
                        })
                        .collect();
                    let requests: Vec<_> = wanted
                        .iter()
                        .map(|(from, to, amount)| TransferRequest::new(*from, *to, *amount).into())
                        .collect();
                    let outcomes = ledger.submit_all(&requests).await.unwrap();
                    for (wanted, outcome) in wanted.into_iter().zip(outcomes) {
                        match outcome.into_receipt() {
                            Ok(_) => moved.push(wanted),
                            Err(Rejection::InsufficientFunds { .. }) => {}
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                }
                moved
            })
        })
        .collect();
    let mut moved = Vec::new();
    for task in tasks {
        moved.extend(task.await.unwrap());
    }
    assert!(moved.len() > 100, "{}", moved.len());
    assert_balances(&bank, czk("50"), moved, &accounts).await;
}
