//! All writers of accounts at once: transfers, batches, adjustments in Rust and in SQL, freezing,
//! closing, limits, and transactions with several transfers.

use std::sync::Arc;

use neobank_db::{Database, DatabaseError, Executor, TransactionError, statement};
use neobank_domain::accounts::{self, AccountError};
use neobank_domain::ledger::AdjustmentRequest;
use neobank_domain::{AccountId, LedgerError, PostingRequest, TransferRequest};

use crate::harness::{Random, TestBank, czk, single};

on_both_versions!(mixed_writers_never_deadlock);

const TASKS: u64 = 24;
const ROUNDS: u64 = 25;

async fn mixed_writers_never_deadlock(bank: TestBank) {
    let mut accounts = Vec::new();
    for _ in 0..6 {
        accounts.push(bank.account(czk("100")).await);
    }
    accounts.sort_unstable();
    let accounts: Arc<[AccountId]> = accounts.into();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (database, accounts) = (bank.database.clone(), Arc::clone(&accounts));
            tokio::spawn(async move {
                let mut random = Random::new(5_000 + task);
                let mut done = [0_u32; 8];
                for _ in 0..ROUNDS {
                    let kind = random.below(8) as usize;
                    match one(&database, &accounts, kind, &mut random).await {
                        Ok(true) => done[kind] += 1,
                        Ok(false) => {}
                        Err(error) => panic!("writer {kind}: {error:?}"),
                    }
                }
                done
            })
        })
        .collect();
    let mut done = [0; 8];
    for task in tasks {
        for (sum, count) in done.iter_mut().zip(task.await.unwrap()) {
            *sum += count;
        }
    }
    // Closing is rare, because it needs an empty account; everything else must have happened.
    assert!(done[..7].iter().all(|count| *count > 0), "{done:?}");
    bank.assert_sound().await;
}

/// Returns true when the operation was done, false when it was rejected, and an error when the
/// database failed.
async fn one(
    database: &Database,
    accounts: &[AccountId],
    kind: usize,
    random: &mut Random,
) -> Result<bool, DatabaseError> {
    let ledger = single(database.clone());
    let (from, to) = random.pair(accounts);
    match kind {
        0 => of_ledger(
            ledger
                .transfer(TransferRequest::new(from, to, czk("1.25")))
                .await,
        ),
        1 => of_ledger(
            ledger
                .submit(PostingRequest::deposit(from, czk("0.50")))
                .await,
        ),
        2 => {
            let Ok(Some(seen)) = accounts::find(database, from).await else {
                return Ok(false);
            };
            let adjustment = AdjustmentRequest::new(from, czk("60"), seen.version);
            of_ledger(ledger.submit(adjustment).await)
        }
        3 => {
            let sql = "SELECT success FROM banking.accounts AS a,
                           banking.update_account_optimistic(a.account_id, 61, a.version)
                       WHERE a.account_id = $1";
            database
                .fetch_value(statement(sql, [from.as_uuid().into()]))
                .await
        }
        4 => {
            let frozen = of_accounts(accounts::freeze(database, from).await)?;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            Ok(of_accounts(accounts::unfreeze(database, from).await)? && frozen)
        }
        5 => of_accounts(accounts::set_overdraft_limit(database, from, czk("10")).await),
        6 => longer_transaction(database, accounts, random).await,
        _ => of_accounts(accounts::close(database, from).await),
    }
}

/// Runs two transfers and a freeze in one transaction, with the accounts in their locking order.
async fn longer_transaction(
    database: &Database,
    accounts: &[AccountId],
    random: &mut Random,
) -> Result<bool, DatabaseError> {
    let first = random.below(accounts.len() as u64 - 2) as usize;
    let [low, middle, high] = [accounts[first], accounts[first + 1], accounts[first + 2]];
    let ledger = single(database.clone());
    let outcome = database
        .transaction(async |transaction| {
            ledger
                .transfer_in(transaction, TransferRequest::new(middle, low, czk("0.75")))
                .await?;
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            ledger
                .transfer_in(transaction, TransferRequest::new(high, middle, czk("0.75")))
                .await?;
            Ok::<_, LedgerError>(())
        })
        .await
        .map_err(TransactionError::into_work);
    of_ledger(outcome)
}

fn of_ledger<T>(outcome: Result<T, LedgerError>) -> Result<bool, DatabaseError> {
    match outcome {
        Ok(_) => Ok(true),
        Err(LedgerError::Rejected(_)) => Ok(false),
        Err(LedgerError::Database(error)) => Err(error),
        Err(other) => panic!("{other:?}"),
    }
}

fn of_accounts<T>(outcome: Result<T, AccountError>) -> Result<bool, DatabaseError> {
    match outcome {
        Ok(_) => Ok(true),
        Err(
            AccountError::Status { .. }
            | AccountError::NotEmpty { .. }
            | AccountError::BelowLimit { .. },
        ) => Ok(false),
        Err(AccountError::Database(error)) => Err(error),
        Err(other) => panic!("{other:?}"),
    }
}
