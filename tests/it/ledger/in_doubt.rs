//! X1: a commit whose answer was lost is known all the same.

use std::time::{Duration, Instant};

use neobank_db::{Database, Executor, statement};
use neobank_domain::{Ledger, LedgerError, Money, TransferRequest};

use super::assert_exceeded;
use crate::harness::{CuttingProxy, TestBank, czk, grouped, single, single_with_cache};

on_both_versions!(
    commits_without_an_answer_happen_once,
    commits_under_locks_without_an_answer_happen_once,
    a_statement_that_arrives_late_finds_nothing_to_do,
    a_commit_that_arrives_late_is_waited_for,
    without_a_database_to_ask_the_doubt_is_told,
    with_a_deadline_an_answer_that_is_lost_is_looked_into_for_a_second,
);

/// Much more than a call may take beyond its deadline, and much less than the configuration's limits.
const SOON: Duration = Duration::from_secs(12);

/// A third is cut off before the commit arrives, a third after it is durable, a third in between. No key helps here.
async fn commits_without_an_answer_happen_once(bank: TestBank) {
    lose_answers(bank, Ledger::ACCOUNT_CACHE_CAPACITY).await;
}

async fn commits_under_locks_without_an_answer_happen_once(bank: TestBank) {
    lose_answers(bank, 0).await;
}

async fn lose_answers(bank: TestBank, remembered: usize) {
    let transfers: u64 =
        std::env::var("NEOBANK_UNKNOWN_COMMITS").map_or(90, |number| number.parse().unwrap());
    let (from, to) = (
        bank.account(czk("100000")).await,
        bank.account(czk("0")).await,
    );
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    let ledger = single_with_cache(Database::connect(config).await.unwrap(), remembered);
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
    // Each was lost once on its first way.
    let memory = ledger.account_cache_metrics();
    assert_eq!(memory.right + memory.wrong, 0, "{memory:?}");
    assert_eq!(memory.under_locks > 0, remembered == 0, "{memory:?}");
    bank.assert_sound().await;
}

/// What was decided without a lock can arrive after everybody has looked for it. Its caller was told that nothing had
/// happened, because its deadline had passed; so nothing must happen any more.
async fn a_statement_that_arrives_late_finds_nothing_to_do(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    let ledger = single(Database::connect(config).await.unwrap());
    let gathered = grouped(&ledger);
    let request = move || TransferRequest::new(from, to, czk("1"));
    for number in 1..=5 {
        gathered.transfer(request()).await.unwrap();
        proxy.cut_and_commit_late();
        // Whoever looks for the transfer waits for this lock until the deadline has passed.
        let stranger = bank.database.begin().await.unwrap();
        let lock = "SELECT FROM banking.accounts WHERE account_id = $1 FOR UPDATE";
        let lock = statement(lock, [from.as_uuid().into()]);
        stranger.execute(lock).await.unwrap();
        let deadline = Instant::now() + Duration::from_millis(50);
        let hurried = gathered.with_deadline(deadline);
        let transfer = tokio::spawn(async move { hurried.transfer(request()).await });
        tokio::time::sleep(Duration::from_millis(150)).await;
        stranger.rollback().await.unwrap();
        let outcome = transfer.await.unwrap();
        assert_exceeded(&outcome);
        // By now it has arrived.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(bank.balance(to).await, czk(&number.to_string()));
    }
    bank.assert_sound().await;
}

/// The accounts are locked for as long as the commit is on its way, so nobody can take it for lost before it arrives.
async fn a_commit_that_arrives_late_is_waited_for(bank: TestBank) {
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

async fn without_a_database_to_ask_the_doubt_is_told(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.idle_in_transaction_timeout = Duration::from_millis(300);
    config.lock_timeout = Duration::from_millis(300);
    let ledger = single(Database::connect(config).await.unwrap());
    // Somebody else has the account from the commit on, so nobody can be sure that the transaction has ended.
    let stranger = bank.superuser().await;
    let transaction = stranger.begin().await.unwrap();
    proxy.cut_after_commit();
    let lock = async {
        let sql = "SELECT 1 FROM banking.accounts WHERE account_id = $1 FOR UPDATE";
        transaction
            .execute(statement(sql, [from.as_uuid().into()]))
            .await
            .unwrap();
    };
    let transfer = ledger.transfer(TransferRequest::new(from, to, czk("1")));
    let (outcome, ()) = tokio::join!(transfer, async {
        // The transfer has its locks first.
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
        // It was quicker than the stranger.
        Ok(_) => {}
        other => panic!("{other:?}"),
    }
    transaction.rollback().await.unwrap();
    assert_eq!(bank.balance(to).await, czk("1"));
    bank.assert_sound().await;
}

/// The configuration's own limits, of which a minute and more would come together, do not count then.
async fn with_a_deadline_an_answer_that_is_lost_is_looked_into_for_a_second(bank: TestBank) {
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
    // It happened, which another connection can tell.
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
