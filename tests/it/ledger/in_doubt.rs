//! In-doubt resolution: the ledger finds the outcome of a commit whose answer was lost.

use std::time::{Duration, Instant};

use neobank_db::{Database, Executor, statement};
use neobank_domain::{Ledger, LedgerError, Money, TransferRequest};

use super::assert_exceeded;
use crate::harness::{
    CuttingProxy, TestBank, czk, grouped, lock_account, single, single_with_cache,
};

on_both_versions!(
    commits_without_an_answer_happen_once,
    pessimistic_commits_without_an_answer_happen_once,
    late_optimistic_statement_writes_nothing,
    resolution_waits_for_a_late_commit,
    unreachable_database_leaves_the_outcome_unknown,
    deadline_limits_the_resolution_to_a_second,
);

/// Much longer than a call may exceed its deadline, and much shorter than the configured limits.
const SOON: Duration = Duration::from_secs(12);

/// A third of the connections is cut before the commit arrives, a third after it is durable, a
/// third in between. The requests have no keys.
async fn commits_without_an_answer_happen_once(bank: TestBank) {
    lose_answers(bank, Ledger::ACCOUNT_CACHE_CAPACITY).await;
}

async fn pessimistic_commits_without_an_answer_happen_once(bank: TestBank) {
    lose_answers(bank, 0).await;
}

async fn lose_answers(bank: TestBank, capacity: usize) {
    let transfers: u64 =
        std::env::var("NEOBANK_UNKNOWN_COMMITS").map_or(90, |number| number.parse().unwrap());
    let (from, to) = (
        bank.account(czk("100000")).await,
        bank.account(czk("0")).await,
    );
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    let ledger = single_with_cache(Database::connect(config).await.unwrap(), capacity);
    for number in 0..transfers {
        match number % 3 {
            0 => proxy.cut_before_commit(),
            1 => proxy.cut_after_commit(),
            _ => proxy.cut_during_commit(),
        }
        let before = bank.balance(to).await;
        let receipt = ledger
            .transfer(TransferRequest::new(from, to, czk("1")))
            .await
            .unwrap();
        let after = bank.balance(to).await;
        assert_eq!(after, before.checked_add(czk("1")).unwrap());
        assert_eq!(receipt.credit.running_balance, after);
        let sql = "SELECT count(*) FROM banking.transfers WHERE transfer_id = $1";
        let there: i64 = bank
            .database
            .fetch_value(statement(sql, [receipt.transfer_id.as_uuid().into()]))
            .await
            .unwrap();
        assert_eq!(there, 1);
    }
    let moved = Money::parse(&transfers.to_string(), czk("0").currency()).unwrap();
    assert_eq!(bank.balance(to).await, moved);
    // Every first attempt was lost.
    let cache = ledger.account_cache_metrics();
    assert_eq!(cache.committed + cache.conflicts, 0, "{cache:?}");
    assert_eq!(cache.not_attempted > 0, capacity == 0, "{cache:?}");
    bank.assert_sound().await;
}

/// An optimistic statement can arrive after the in-doubt resolution. The caller got the answer that
/// nothing was changed, so the statement must not write.
async fn late_optimistic_statement_writes_nothing(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    let ledger = single(Database::connect(config).await.unwrap());
    let grouped = grouped(&ledger);
    let request = move || TransferRequest::new(from, to, czk("1"));
    let (mut posted, mut exceeded) = (0, 0);
    for _ in 0..5 {
        grouped.transfer(request()).await.unwrap();
        posted += 1;
        proxy.cut_and_commit_late();
        // The resolution waits for this lock until the deadline has passed.
        let holder = bank.database.begin().await.unwrap();
        lock_account(&holder, from).await;
        let deadline = Instant::now() + Duration::from_millis(50);
        let hurried = grouped.with_deadline(deadline);
        let transfer = tokio::spawn(async move { hurried.transfer(request()).await });
        tokio::time::sleep(Duration::from_millis(150)).await;
        holder.rollback().await.unwrap();
        let outcome = transfer.await.unwrap();
        // On a busy machine the statement may arrive before the resolution, and is posted then.
        match outcome {
            Ok(_) => posted += 1,
            late => {
                assert_exceeded(&late);
                exceeded += 1;
            }
        }
        // The late statement has arrived by now.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(bank.balance(to).await, czk(&posted.to_string()));
    }
    assert!(exceeded > 0, "no statement was late");
    bank.assert_sound().await;
}

/// The transaction in flight holds its locks, so the resolution waits until it has ended.
async fn resolution_waits_for_a_late_commit(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    let ledger = single(Database::connect(config).await.unwrap());
    for number in 1..=5 {
        proxy.cut_and_commit_late();
        let receipt = ledger
            .transfer(TransferRequest::new(from, to, czk("1")))
            .await
            .unwrap();
        assert_eq!(receipt.credit.running_balance, czk(&number.to_string()));
        assert_eq!(bank.balance(to).await, czk(&number.to_string()));
    }
    bank.assert_sound().await;
}

async fn unreachable_database_leaves_the_outcome_unknown(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.idle_in_transaction_timeout = Duration::from_millis(300);
    config.lock_timeout = Duration::from_millis(300);
    let ledger = single(Database::connect(config).await.unwrap());
    // Another session holds the account from the commit on, so the resolution gets no lock.
    let holder = bank.superuser().await;
    let transaction = holder.begin().await.unwrap();
    proxy.cut_after_commit();
    let lock = lock_account(&transaction, from);
    let transfer = ledger.transfer(TransferRequest::new(from, to, czk("1")));
    let (outcome, ()) = tokio::join!(transfer, async {
        // The transfer takes its locks first.
        while bank
            .count("banking.transfers WHERE to_account_id IS NOT NULL")
            .await
            < 2
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        lock.await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    });
    match outcome {
        Err(LedgerError::Unknown { transfers, .. }) => assert_eq!(transfers.len(), 1),
        // The resolution was faster than the other session.
        Ok(_) => {}
        other => panic!("{other:?}"),
    }
    transaction.rollback().await.unwrap();
    assert_eq!(bank.balance(to).await, czk("1"));
    bank.assert_sound().await;
}

/// The configured limits add up to more than a minute; the deadline replaces them.
async fn deadline_limits_the_resolution_to_a_second(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let request = || TransferRequest::new(from, to, czk("1"));
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    let limit = config.in_doubt_limit().min(config.commit_timeout);
    assert!(limit > SOON * 2, "{limit:?}");
    let database = Database::connect(config).await.unwrap();
    single(database.clone()).transfer(request()).await.unwrap();
    let in_a_hurry = || {
        let deadline = Instant::now() + Duration::from_millis(300);
        single(database.with_deadline(deadline))
    };
    let started = Instant::now();
    proxy.delay_answer_to_commit(Duration::from_secs(60));
    // The transfer happened, and another connection finds it.
    in_a_hurry().transfer(request()).await.unwrap();
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(bank.balance(to).await, czk("2"));

    let started = Instant::now();
    proxy.cut_after_commit_for_good();
    match in_a_hurry().transfer(request()).await {
        Err(LedgerError::Unknown { transfers, .. }) => assert_eq!(transfers.len(), 1),
        other => panic!("{other:?}"),
    }
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(bank.balance(to).await, czk("3"));
    bank.assert_sound().await;
}
