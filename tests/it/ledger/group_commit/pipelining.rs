//! Pipelining: batches of a hot account that are decided on the speculative state of a batch in
//! flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use neobank_db::{Database, Executor, statement};
use neobank_domain::{
    AccountId, Ledger, LedgerError, Money, PostingRequest, Receipt, Rejection, TransferRequest,
};

use crate::harness::{TestBank, czk, grouped, single};

on_both_versions!(
    successor_continues_its_uncommitted_predecessor,
    rejection_on_speculative_state_is_valid,
    other_process_causes_conflicts_and_no_errors,
    used_key_causes_a_conflict_and_no_error,
    successor_of_a_bisected_batch_comes_after_all_of_it,
    killed_backends_leave_a_sound_journal,
);

/// The callers of the hot account: half of them are worth a commit of their own.
const CALLERS: usize = 400;

/// Returns twenty payers, the account that they pay, and a ledger with group commit.
async fn crowd(bank: &TestBank) -> (Vec<AccountId>, AccountId, Ledger) {
    let mut payers = Vec::new();
    for _ in 0..20 {
        payers.push(bank.account(czk("100000")).await);
    }
    let hot = bank.account(czk("0")).await;
    (payers, hot, grouped(&bank.ledger))
}

/// Sends the requests at once, in their order, and returns their outcomes.
async fn all_at_once(
    grouped: &Ledger,
    requests: impl IntoIterator<Item = TransferRequest>,
) -> Vec<Result<Receipt, LedgerError>> {
    // `join_all` polls the futures in their order, so the requests arrive in their order.
    join_all(
        requests
            .into_iter()
            .map(|request| grouped.transfer(request)),
    )
    .await
}

/// Returns true for another round: at least `least`, and on a busy machine, whose slow answers look
/// like slow commits, more until a batch was pipelined.
fn goes_on(round: usize, least: usize, grouped: &Ledger) -> bool {
    round < least || (round < 500 && grouped.group_commit_metrics().pipelined == 0)
}

/// Asserts that the entries of the paid account have the order of the requests.
fn assert_in_order(outcomes: &[Result<Receipt, LedgerError>], before: i64) -> i64 {
    let mut last = before;
    for outcome in outcomes {
        let receipt = outcome.as_ref().unwrap();
        let number = receipt.credit.entry_number;
        assert!(number > last, "{number} came behind {last}");
        last = number;
    }
    last
}

async fn successor_continues_its_uncommitted_predecessor(bank: TestBank) {
    let (payers, hot, grouped) = crowd(&bank).await;
    let (mut last, mut round) = (0, 0);
    while goes_on(round, 30, &grouped) {
        let requests = (0..CALLERS).map(|number| {
            let key = format!("{round} {number}");
            TransferRequest::new(payers[number % 20], hot, czk("1")).with_idempotency_key(key)
        });
        let outcomes = all_at_once(&grouped, requests).await;
        last = assert_in_order(&outcomes, last);
        round += 1;
    }
    assert_eq!(last, (round * CALLERS) as i64, "no other process paid");
    assert_eq!(bank.balance(hot).await, czk(&last.to_string()));
    let (metrics, cache) = (
        grouped.group_commit_metrics(),
        bank.ledger.account_cache_metrics(),
    );
    assert!(metrics.pipelined > 0, "{metrics:?}");
    assert!(cache.committed > 10 * cache.conflicts, "{cache:?}");
    bank.assert_no_deadlock().await;
    bank.assert_sound().await;
}

/// The money that a successor pays with comes from its predecessor in flight.
async fn rejection_on_speculative_state_is_valid(bank: TestBank) {
    let (payers, hot, grouped) = crowd(&bank).await;
    let mut expected = Money::zero(czk("0").currency());
    let mut round = 0;
    while goes_on(round, 20, &grouped) {
        round += 1;
        // Every third request pays out more than came in.
        let requests: Vec<_> = (0..CALLERS)
            .map(|number| match number % 3 {
                0 => TransferRequest::new(payers[number % 20], hot, czk("1")),
                1 => TransferRequest::new(hot, payers[number % 20], czk("1")),
                _ => TransferRequest::new(hot, payers[number % 20], czk("2")),
            })
            .collect();
        let outcomes = all_at_once(&grouped, requests.clone()).await;
        for (request, outcome) in requests.iter().zip(outcomes) {
            let comes_in = request.to == hot;
            match outcome {
                Ok(_) if comes_in => expected = expected.checked_add(request.amount).unwrap(),
                Ok(_) => expected = expected.checked_sub(request.amount).unwrap(),
                // The requests are decided in the order of arrival, so exactly the unaffordable
                // ones are rejected.
                Err(LedgerError::Rejected(Rejection::InsufficientFunds { available, .. })) => {
                    assert_eq!(available, expected);
                    assert!(available.amount() < request.amount.amount());
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(bank.balance(hot).await, expected);
    let metrics = grouped.group_commit_metrics();
    assert!(metrics.pipelined > 0, "{metrics:?}");
    bank.assert_sound().await;
}

async fn other_process_causes_conflicts_and_no_errors(bank: TestBank) {
    let (payers, hot, grouped) = crowd(&bank).await;
    let other_process = single(Database::connect(bank.config()).await.unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let disturbing = {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let mut deposits = 0_i64;
            while !stop.load(Ordering::Relaxed) {
                let deposit = PostingRequest::deposit(hot, czk("1"));
                other_process.submit(deposit).await.unwrap();
                deposits += 1;
                tokio::time::sleep(std::time::Duration::from_millis(40)).await;
            }
            deposits
        })
    };
    let (mut last, mut rounds) = (0, 0_i64);
    let seen = || {
        grouped.group_commit_metrics().pipelined > 0
            && bank.ledger.account_cache_metrics().conflicts > 10
    };
    while !seen() && rounds < 500 {
        rounds += 1;
        let pays = |number| TransferRequest::new(payers[number % 20], hot, czk("1"));
        let outcomes = all_at_once(&grouped, (0..CALLERS).map(pays)).await;
        last = assert_in_order(&outcomes, last);
    }
    stop.store(true, Ordering::Relaxed);
    let deposits = disturbing.await.unwrap();
    // The test is void without both.
    assert!(
        seen(),
        "{:?} {:?}",
        grouped.group_commit_metrics(),
        bank.ledger.account_cache_metrics()
    );
    let all = deposits + rounds * CALLERS as i64;
    assert_eq!(bank.balance(hot).await, czk(&all.to_string()));
    bank.assert_no_deadlock().await;
    bank.assert_sound().await;
}

async fn used_key_causes_a_conflict_and_no_error(bank: TestBank) {
    let (payers, hot, grouped) = crowd(&bank).await;
    let mut round = 0;
    while goes_on(round, 40, &grouped) {
        // One key of each round was used in the round before.
        let requests = (0..CALLERS).map(|number| {
            let key = match (number, round) {
                (200, 1..) => format!("{} 100", round - 1),
                _ => format!("{round} {number}"),
            };
            let payer = if number == 200 { 100 } else { number };
            TransferRequest::new(payers[payer % 20], hot, czk("1")).with_idempotency_key(key)
        });
        for outcome in all_at_once(&grouped, requests).await {
            outcome.unwrap();
        }
        round += 1;
    }
    let transfers = bank
        .count("banking.transfers WHERE transfer_type = 'transfer'")
        .await;
    assert_eq!(transfers, (round * CALLERS - (round - 1)) as i64);
    let (metrics, cache) = (
        grouped.group_commit_metrics(),
        bank.ledger.account_cache_metrics(),
    );
    assert!(
        metrics.pipelined > 0 && cache.conflicts > 0,
        "{metrics:?} {cache:?}"
    );
    // A successor writes its balances before the others.
    let sql = "SELECT count(*) FROM banking.transactions AS entry
               WHERE NOT EXISTS (SELECT FROM banking.transfers AS transfer
                                 WHERE transfer.transfer_id = entry.transfer_id)";
    let without: i64 = bank.database.fetch_value(statement(sql, [])).await.unwrap();
    assert_eq!(without, 0);
    bank.assert_sound().await;
}

async fn successor_of_a_bisected_batch_comes_after_all_of_it(bank: TestBank) {
    let (payers, hot, grouped) = crowd(&bank).await;
    let poisoned = bank.account(czk("100000")).await;
    super::failure::poison(&bank, poisoned, "23514").await;
    let (mut last, mut round) = (0, 0);
    while goes_on(round, 30, &grouped) {
        let is_poisoned = |number| round % 3 == 2 && [60, 150].contains(&number);
        let requests = (0..CALLERS).map(|number| {
            let payer = if is_poisoned(number) {
                poisoned
            } else {
                payers[number % 20]
            };
            TransferRequest::new(payer, hot, czk("1"))
        });
        let (failed, carried_out): (Vec<_>, Vec<_>) = all_at_once(&grouped, requests)
            .await
            .into_iter()
            .enumerate()
            .partition(|(number, _)| is_poisoned(*number));
        assert!(failed.iter().all(|(_, outcome)| outcome.is_err()));
        let carried_out: Vec<_> = carried_out
            .into_iter()
            .map(|(_, outcome)| outcome)
            .collect();
        last = assert_in_order(&carried_out, last);
        round += 1;
    }
    let metrics = grouped.group_commit_metrics();
    assert!(metrics.pipelined > 0 && metrics.splits > 0, "{metrics:?}");
    assert_eq!(bank.balance(hot).await, czk(&last.to_string()));
    super::failure::cure(&bank, poisoned).await;
    bank.assert_sound().await;
}

/// The answers of predecessors and successors are lost, before and after their commits.
async fn killed_backends_leave_a_sound_journal(bank: TestBank) {
    let (payers, hot, grouped) = crowd(&bank).await;
    let superuser = bank.superuser().await;
    let stop = Arc::new(AtomicBool::new(false));
    let killing = {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM (
                           SELECT pid FROM pg_stat_activity
                           WHERE datname = current_database() AND pid <> pg_backend_pid()
                             AND state = 'active' AND query LIKE '%post_transfers%'
                           ORDER BY random() LIMIT 1
                       ) AS victim";
            let mut killed = 0_i64;
            while !stop.load(Ordering::Relaxed) {
                killed += superuser
                    .fetch_value::<i64>(statement(sql, []))
                    .await
                    .unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            }
            killed
        })
    };
    let mut acknowledged = Vec::new();
    for round in 0..60 {
        let requests = (0..CALLERS).map(|number| {
            TransferRequest::new(payers[number % 20], hot, czk("1"))
                .with_idempotency_key(format!("killed {round} {number}"))
        });
        for (number, outcome) in all_at_once(&grouped, requests)
            .await
            .into_iter()
            .enumerate()
        {
            match outcome {
                Ok(receipt) => acknowledged.push(receipt.transfer_id),
                // A repetition with the key finds the outcome.
                Err(LedgerError::Database(_) | LedgerError::Unknown { .. }) => {
                    let again = TransferRequest::new(payers[number % 20], hot, czk("1"))
                        .with_idempotency_key(format!("killed {round} {number}"));
                    if let Ok(receipt) = grouped.transfer(again).await {
                        acknowledged.push(receipt.transfer_id);
                    }
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let killed = killing.await.unwrap();
    let metrics = grouped.group_commit_metrics();
    assert!(killed > 0 && metrics.pipelined > 0, "{killed} {metrics:?}");
    let unique: std::collections::HashSet<_> = acknowledged.iter().collect();
    assert_eq!(unique.len(), acknowledged.len(), "one key, one transfer");
    let there = bank
        .count("banking.transfers WHERE idempotency_key LIKE 'killed %'")
        .await;
    assert_eq!(there, acknowledged.len() as i64);
    assert_eq!(bank.balance(hot).await, czk(&there.to_string()));
    bank.assert_sound().await;
}
