//! What is held from outside costs the requests that need it, and no others.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use neobank_db::{Database, ErrorClass, Executor, statement};
use neobank_domain::{AccountId, Ledger, LedgerError, Rejection, TransferRequest};
use tokio::task::JoinHandle;

use super::super::concurrency::random::Random;
use super::{lock, until};
use crate::harness::{TestBank, czk};

on_both_versions!(
    a_locked_account_holds_up_its_own_requests_alone,
    a_locked_account_is_told_to_its_own_requests_when_they_have_waited_long_enough,
    those_who_ask_again_for_a_locked_account_hold_up_no_group,
    a_held_key_holds_up_the_one_request_that_has_it,
    a_server_process_that_stands_still_holds_up_its_own_accounts_alone,
);

/// Much longer than any of the others may wait, however busy the machine is.
const HELD: Duration = Duration::from_secs(120);
const NOT_HELD: Duration = Duration::from_secs(30);

async fn ledger(bank: &TestBank, lock_timeout: Duration) -> Ledger {
    let mut config = bank.config();
    config.lock_timeout = lock_timeout;
    config.statement_timeout = lock_timeout + Duration::from_secs(10);
    Ledger::new(Database::connect(config).await.unwrap())
}

async fn accounts(bank: &TestBank, count: usize) -> Arc<[AccountId]> {
    let mut accounts = Vec::new();
    for _ in 0..count {
        accounts.push(bank.account(czk("1000")).await);
    }
    accounts.into()
}

fn ask(
    gathered: &Ledger,
    request: TransferRequest,
) -> JoinHandle<Result<neobank_domain::Receipt, LedgerError>> {
    let gathered = gathered.clone();
    tokio::spawn(async move { gathered.transfer(request).await })
}

/// Callers that each move so many times between any two of the accounts; returns how long the longest of them waited.
async fn others_go_on(gathered: &Ledger, accounts: &Arc<[AccountId]>) -> Duration {
    let callers: Vec<_> = (0..24)
        .map(|caller| {
            let (gathered, accounts) = (gathered.clone(), Arc::clone(accounts));
            tokio::spawn(async move {
                let mut random = Random::new(caller);
                let mut longest = Duration::ZERO;
                for _ in 0..20 {
                    let (from, to) = random.pair(&accounts);
                    let asked = Instant::now();
                    let request = TransferRequest::new(from, to, czk("1"));
                    gathered.transfer(request).await.unwrap();
                    longest = longest.max(asked.elapsed());
                }
                longest
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for caller in callers {
        longest = longest.max(caller.await.unwrap());
    }
    longest
}

async fn a_locked_account_holds_up_its_own_requests_alone(bank: TestBank) {
    let locked = bank.account(czk("100")).await;
    let others = accounts(&bank, 30).await;
    let gathered = ledger(&bank, HELD).await;
    let stranger = bank.database.begin().await.unwrap();
    lock(&stranger, locked).await;
    // Each has an account that the others need, too.
    let held = {
        let (gathered, others) = (gathered.clone(), Arc::clone(&others));
        tokio::spawn(async move {
            // Each future is polled for the first time in turn, and so it arrives in turn.
            let each = others.iter().take(10);
            let each = each.map(|other| TransferRequest::new(locked, *other, czk("1")));
            join_all(each.map(|request| gathered.transfer(request))).await
        })
    };
    let longest = others_go_on(&gathered, &others).await;
    assert!(longest < NOT_HELD, "{longest:?}");
    until(|| gathered.group_commit_metrics().waiting_apart == 10).await;
    assert!(!held.is_finished());
    stranger.rollback().await.unwrap();
    let receipts = held.await.unwrap().into_iter().map(Result::unwrap);
    let numbers: Vec<_> = receipts.map(|receipt| receipt.debit.entry_number).collect();
    // In the order in which they asked.
    assert_eq!(numbers, (2..=11).collect::<Vec<_>>());
    assert_eq!(bank.balance(locked).await, czk("90"));
    bank.assert_sound().await;
}

async fn a_locked_account_is_told_to_its_own_requests_when_they_have_waited_long_enough(
    bank: TestBank,
) {
    let locked = bank.account(czk("100")).await;
    let others = accounts(&bank, 10).await;
    let gathered = ledger(&bank, Duration::from_millis(800)).await;
    let stranger = bank.database.begin().await.unwrap();
    lock(&stranger, locked).await;
    let over = Arc::new(AtomicBool::new(false));
    let held: Vec<_> = (0..4)
        .map(|number: usize| {
            let (gathered, over) = (gathered.clone(), Arc::clone(&over));
            let request = TransferRequest::new(others[number], locked, czk("1"));
            tokio::spawn(async move {
                let mut told = 0;
                while !over.load(Ordering::Relaxed) || told < 2 {
                    match gathered.transfer(request.clone()).await {
                        Err(LedgerError::Database(error)) => {
                            assert_eq!(error.class(), ErrorClass::LockTimeout);
                            told += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    others_go_on(&gathered, &others).await;
    over.store(true, Ordering::Relaxed);
    for caller in held {
        caller.await.unwrap();
    }
    stranger.rollback().await.unwrap();
    let request = TransferRequest::new(others[0], locked, czk("1"));
    gathered.transfer(request).await.unwrap();
    assert_eq!(bank.balance(locked).await, czk("101"));
    bank.assert_sound().await;
}

/// Only the first of them finds out that the account is locked, at the cost of its group.
async fn those_who_ask_again_for_a_locked_account_hold_up_no_group(bank: TestBank) {
    let locked = bank.account(czk("100")).await;
    let other = bank.account(czk("100")).await;
    let gathered = ledger(&bank, Duration::from_secs(2)).await;
    let stranger = bank.database.begin().await.unwrap();
    lock(&stranger, locked).await;
    for _ in 0..4 {
        let request = TransferRequest::new(other, locked, czk("1"));
        match gathered.transfer(request).await {
            Err(LedgerError::Database(error)) => {
                assert_eq!(error.class(), ErrorClass::LockTimeout);
            }
            other => panic!("{other:?}"),
        }
    }
    let metrics = gathered.group_commit_metrics();
    assert_eq!(
        (metrics.groups, metrics.waiting_apart),
        (1, 0),
        "{metrics:?}"
    );
    stranger.rollback().await.unwrap();
    let request = TransferRequest::new(other, locked, czk("1"));
    gathered.transfer(request).await.unwrap();
    assert_eq!(bank.balance(locked).await, czk("101"));
    bank.assert_sound().await;
}

async fn a_held_key_holds_up_the_one_request_that_has_it(bank: TestBank) {
    let others = accounts(&bank, 30).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let gathered = ledger(&bank, HELD).await;
    for commits in [false, true] {
        let key = format!("held {commits}");
        let mut stranger = bank.database.begin().await.unwrap();
        let request = TransferRequest::new(from, to, czk("1")).with_idempotency_key(&key);
        bank.ledger
            .transfer_in(&mut stranger, request)
            .await
            .unwrap();
        let request =
            TransferRequest::new(others[0], others[1], czk("2")).with_idempotency_key(&key);
        let held = ask(&gathered, request.clone());
        let again = ask(&gathered, request);
        let longest = others_go_on(&gathered, &others).await;
        assert!(longest < NOT_HELD, "{longest:?}");
        assert!(!held.is_finished() && !again.is_finished());
        if commits {
            stranger.commit().await.unwrap();
        } else {
            stranger.rollback().await.unwrap();
        }
        let (held, again) = (held.await.unwrap(), again.await.unwrap());
        if commits {
            for outcome in [held, again] {
                let reused = matches!(
                    outcome,
                    Err(LedgerError::Rejected(Rejection::KeyReused { .. }))
                );
                assert!(reused, "{outcome:?}");
            }
        } else {
            assert_eq!(held.unwrap(), again.unwrap());
        }
    }
    assert_eq!(bank.balance(to).await, czk("1"));
    bank.assert_sound().await;
}

async fn a_server_process_that_stands_still_holds_up_its_own_accounts_alone(bank: TestBank) {
    let others = accounts(&bank, 10).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut config = bank.config();
    config.application_name = "stands still".to_owned();
    config.lock_timeout = HELD;
    let gathered = Ledger::new(Database::connect(config).await.unwrap());
    gathered
        .transfer(TransferRequest::new(from, to, czk("1")))
        .await
        .unwrap();
    let still = StoppedProcess::of(&bank, "stands still").await;
    let deadline = Instant::now() + Duration::from_millis(300);
    let hurried = gathered.with_deadline(deadline);
    let stuck = ask(&hurried, TransferRequest::new(from, to, czk("2")));
    until(|| gathered.group_commit_metrics().groups == 2).await;
    // It needs an account of the group that is stuck, and one that others need.
    let behind = ask(&gathered, TransferRequest::new(from, others[0], czk("4")));
    let longest = others_go_on(&gathered, &others).await;
    assert!(longest < NOT_HELD, "{longest:?}");
    match stuck.await.unwrap() {
        Err(LedgerError::Unknown { transfers, .. }) => assert_eq!(transfers.len(), 1),
        other => panic!("{other:?}"),
    }
    assert!(deadline.elapsed() < NOT_HELD);
    assert!(!behind.is_finished());
    assert_eq!(gathered.group_commit_metrics().left, 1);
    drop(still);
    behind.await.unwrap().unwrap();
    // It was sent, so it is carried out, before what came behind it.
    assert_eq!(bank.balance(from).await, czk("93"));
    assert_eq!(bank.balance(to).await, czk("3"));
    until(|| gathered.group_commit_metrics().workers == 0).await;
    bank.assert_sound().await;
}

/// A server process that stands still until this is dropped.
struct StoppedProcess(String);

impl StoppedProcess {
    /// Stops the only session of an application. A pool may have opened a second one; that is ended,
    /// since a stopped one would keep whichever batch is sent over it.
    async fn of(bank: &TestBank, application: &str) -> Self {
        let superuser = bank.superuser().await;
        // Inside, since a function in the outer list is called for the rows before the offset too.
        let ended = "SELECT pg_terminate_backend(pid) FROM (
                         SELECT pid FROM pg_stat_activity WHERE application_name = $1
                         ORDER BY state_change DESC OFFSET 1
                     ) AS spare";
        let ended = superuser.query(statement(ended, [application.into()]));
        ended.await.unwrap();
        let sql = "SELECT pid, wait_event IS NOT DISTINCT FROM 'ClientRead' FROM pg_stat_activity
                   WHERE application_name = $1";
        loop {
            let rows = superuser.query(statement(sql, [application.into()])).await;
            let rows = rows.unwrap();
            if let [only] = rows.as_slice()
                && only.get(1)
            {
                let stopped = Self(only.get::<_, i32>(0).to_string());
                stopped.signal("-STOP");
                return stopped;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.0]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for StoppedProcess {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}
