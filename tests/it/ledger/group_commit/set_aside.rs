//! Resources that another session holds: only the requests that need one are delayed.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use neobank_db::{Database, ErrorClass, Executor, statement};
use neobank_domain::{AccountId, Ledger, LedgerError, Rejection, TransferRequest};

use super::{ask, until};
use crate::harness::{Random, TestBank, czk, lock_account};

on_both_versions!(
    locked_account_delays_only_its_own_requests,
    request_for_a_locked_account_fails_after_the_lock_timeout,
    repeated_request_for_a_locked_account_delays_no_batch,
    held_key_delays_only_its_own_request,
    stopped_server_process_delays_only_its_own_accounts,
);

/// A lock timeout much longer than any other request waits, even on a busy machine.
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

/// Runs callers that move money between any two of the accounts, and returns the longest wait of
/// one.
async fn others_go_on(grouped: &Ledger, accounts: &Arc<[AccountId]>) -> Duration {
    let callers: Vec<_> = (0..24)
        .map(|caller| {
            let (grouped, accounts) = (grouped.clone(), Arc::clone(accounts));
            tokio::spawn(async move {
                let mut random = Random::new(caller);
                let mut longest = Duration::ZERO;
                for _ in 0..20 {
                    let (from, to) = random.pair(&accounts);
                    let asked = Instant::now();
                    let request = TransferRequest::new(from, to, czk("1"));
                    grouped.transfer(request).await.unwrap();
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

async fn locked_account_delays_only_its_own_requests(bank: TestBank) {
    let locked = bank.account(czk("100")).await;
    let others = accounts(&bank, 30).await;
    let grouped = ledger(&bank, HELD).await;
    let holder = bank.database.begin().await.unwrap();
    lock_account(&holder, locked).await;
    // Each request has a second account that the other callers need.
    let held = {
        let (grouped, others) = (grouped.clone(), Arc::clone(&others));
        tokio::spawn(async move {
            // `join_all` polls the futures in their order, so the requests arrive in their order.
            let each = others.iter().take(10);
            let each = each.map(|other| TransferRequest::new(locked, *other, czk("1")));
            join_all(each.map(|request| grouped.transfer(request))).await
        })
    };
    let longest = others_go_on(&grouped, &others).await;
    assert!(longest < NOT_HELD, "{longest:?}");
    until(|| grouped.group_commit_metrics().waiting_aside == 10).await;
    assert!(!held.is_finished());
    holder.rollback().await.unwrap();
    let receipts = held.await.unwrap().into_iter().map(Result::unwrap);
    let numbers: Vec<_> = receipts.map(|receipt| receipt.debit.entry_number).collect();
    // The requests are executed in the order of their arrival.
    assert_eq!(numbers, (2..=11).collect::<Vec<_>>());
    assert_eq!(bank.balance(locked).await, czk("90"));
    bank.assert_sound().await;
}

async fn request_for_a_locked_account_fails_after_the_lock_timeout(bank: TestBank) {
    let locked = bank.account(czk("100")).await;
    let others = accounts(&bank, 10).await;
    let grouped = ledger(&bank, Duration::from_millis(800)).await;
    let holder = bank.database.begin().await.unwrap();
    lock_account(&holder, locked).await;
    let over = Arc::new(AtomicBool::new(false));
    let held: Vec<_> = (0..4)
        .map(|number: usize| {
            let (grouped, over) = (grouped.clone(), Arc::clone(&over));
            let request = TransferRequest::new(others[number], locked, czk("1"));
            tokio::spawn(async move {
                let mut failed = 0;
                while !over.load(Ordering::Relaxed) || failed < 2 {
                    match grouped.transfer(request.clone()).await {
                        Err(LedgerError::Database(error)) => {
                            assert_eq!(error.class(), ErrorClass::LockTimeout);
                            failed += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    others_go_on(&grouped, &others).await;
    over.store(true, Ordering::Relaxed);
    for caller in held {
        caller.await.unwrap();
    }
    holder.rollback().await.unwrap();
    let request = TransferRequest::new(others[0], locked, czk("1"));
    grouped.transfer(request).await.unwrap();
    assert_eq!(bank.balance(locked).await, czk("101"));
    bank.assert_sound().await;
}

/// Only the first request delays its batch; the repetitions go behind the existing hold.
async fn repeated_request_for_a_locked_account_delays_no_batch(bank: TestBank) {
    let locked = bank.account(czk("100")).await;
    let other = bank.account(czk("100")).await;
    let grouped = ledger(&bank, Duration::from_secs(2)).await;
    let holder = bank.database.begin().await.unwrap();
    lock_account(&holder, locked).await;
    for _ in 0..4 {
        let request = TransferRequest::new(other, locked, czk("1"));
        match grouped.transfer(request).await {
            Err(LedgerError::Database(error)) => {
                assert_eq!(error.class(), ErrorClass::LockTimeout);
            }
            other => panic!("{other:?}"),
        }
    }
    let metrics = grouped.group_commit_metrics();
    assert_eq!(
        (metrics.batches, metrics.waiting_aside),
        (1, 0),
        "{metrics:?}"
    );
    holder.rollback().await.unwrap();
    let request = TransferRequest::new(other, locked, czk("1"));
    grouped.transfer(request).await.unwrap();
    assert_eq!(bank.balance(locked).await, czk("101"));
    bank.assert_sound().await;
}

async fn held_key_delays_only_its_own_request(bank: TestBank) {
    let others = accounts(&bank, 30).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let grouped = ledger(&bank, HELD).await;
    for commits in [false, true] {
        let key = format!("held {commits}");
        let mut holder = bank.database.begin().await.unwrap();
        let request = TransferRequest::new(from, to, czk("1")).with_idempotency_key(&key);
        bank.ledger.transfer_in(&mut holder, request).await.unwrap();
        let request =
            TransferRequest::new(others[0], others[1], czk("2")).with_idempotency_key(&key);
        let held = ask(&grouped, request.clone());
        let again = ask(&grouped, request);
        let longest = others_go_on(&grouped, &others).await;
        assert!(longest < NOT_HELD, "{longest:?}");
        assert!(!held.is_finished() && !again.is_finished());
        if commits {
            holder.commit().await.unwrap();
        } else {
            holder.rollback().await.unwrap();
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

async fn stopped_server_process_delays_only_its_own_accounts(bank: TestBank) {
    // On a busy machine the pool may send the first batch over another session than the stopped one.
    for attempt in 1..=5 {
        if only_its_own_accounts_are_delayed(&bank, &format!("stands still {attempt}")).await {
            return bank.assert_sound().await;
        }
    }
    panic!("the stopped session never had the batch");
}

/// Returns false when the batch was not sent over the stopped session.
async fn only_its_own_accounts_are_delayed(bank: &TestBank, application: &str) -> bool {
    let others = accounts(bank, 10).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut config = bank.config();
    config.application_name = application.to_owned();
    config.lock_timeout = HELD;
    let grouped = Ledger::new(Database::connect(config).await.unwrap());
    grouped
        .transfer(TransferRequest::new(from, to, czk("1")))
        .await
        .unwrap();
    let still = StoppedProcess::of(bank, application).await;
    let deadline = Instant::now() + Duration::from_millis(300);
    let hurried = grouped.with_deadline(deadline);
    let stuck = ask(&hurried, TransferRequest::new(from, to, czk("2")));
    until(|| grouped.group_commit_metrics().batches == 2).await;
    // From then on, this batch has the stopped session, and no other can take it.
    until(|| grouped.database().status().idle == 0).await;
    // The request needs an account of the stuck batch and an account of the other callers.
    let behind = ask(&grouped, TransferRequest::new(from, others[0], czk("4")));
    let longest = others_go_on(&grouped, &others).await;
    let stuck = stuck.await.unwrap();
    if stuck.is_ok() {
        return false;
    }
    assert!(longest < NOT_HELD, "{longest:?}");
    match stuck {
        Err(LedgerError::Unknown { transfers, .. }) => assert_eq!(transfers.len(), 1),
        other => panic!("{other:?}"),
    }
    assert!(deadline.elapsed() < NOT_HELD);
    assert!(!behind.is_finished());
    assert_eq!(grouped.group_commit_metrics().detached, 1);
    drop(still);
    behind.await.unwrap().unwrap();
    // The statement was sent, so it is executed before the requests behind it.
    assert_eq!(bank.balance(from).await, czk("93"));
    assert_eq!(bank.balance(to).await, czk("3"));
    until(|| grouped.group_commit_metrics().workers == 0).await;
    true
}

/// A server process that is stopped until this is dropped.
struct StoppedProcess(String);

impl StoppedProcess {
    /// Stops the only session of an application. A pool may have opened a second one; that is
    /// ended, since a stopped one would keep whichever batch is sent over it.
    async fn of(bank: &TestBank, application: &str) -> Self {
        let superuser = bank.superuser().await;
        // In the inner query, because a function in the outer list also runs for rows before the
        // offset.
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
