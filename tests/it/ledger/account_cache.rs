//! What the ledger remembers of accounts is only a guess: whoever else moves them, no outcome is any other than under locks.

use neobank_db::{Database, Executor, statement};
use neobank_domain::accounts;
use neobank_domain::ledger::Outcome;
use neobank_domain::{
    AccountId, Ledger, LedgerError, Money, PostingRequest, Rejection, Request, TransferRequest,
};

use super::concurrency::random::Random;
use crate::harness::{TestBank, czk, single, single_with_cache};

on_both_versions!(
    what_others_change_is_noticed,
    several_processes_move_the_same_accounts,
    a_refusal_is_held_against_the_accounts_too,
    a_refusal_that_is_no_longer_right_is_not_given,
    keys_of_another_process_are_found,
    times_are_those_of_the_journal,
    guesses_that_are_wrong_leave_no_rows_behind,
    behind_a_pooler_and_with_a_deadline_locks_are_taken,
);

/// Another process: nothing is shared but the database.
async fn stranger(bank: &TestBank) -> Ledger {
    single(Database::connect(bank.config()).await.unwrap())
}

async fn rejection(ledger: &Ledger, request: TransferRequest) -> Rejection {
    match ledger.transfer(request).await {
        Err(LedgerError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

async fn what_others_change_is_noticed(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let ledger = stranger(&bank).await;
    let one = || TransferRequest::new(a, b, czk("1"));
    ledger.transfer(one()).await.unwrap();

    accounts::freeze(&bank.database, b).await.unwrap();
    let refused = rejection(&ledger, one()).await;
    assert!(
        matches!(refused, Rejection::NotActive { account, .. } if account == b),
        "{refused:?}"
    );
    accounts::unfreeze(&bank.database, b).await.unwrap();
    ledger.transfer(one()).await.unwrap();

    let back = TransferRequest::new(b, a, czk("2"));
    bank.ledger.transfer(back).await.unwrap();
    let receipt = ledger.transfer(one()).await.unwrap();
    assert_eq!(receipt.debit.running_balance, czk("99"));
    assert_eq!(receipt.credit.entry_number, 4);

    // The limit that was remembered would let it through.
    accounts::set_overdraft_limit(&bank.database, a, czk("50"))
        .await
        .unwrap();
    let big = |amount| TransferRequest::new(a, b, czk(amount));
    ledger.transfer(big("120")).await.unwrap();
    bank.ledger
        .transfer(TransferRequest::new(b, a, czk("121")))
        .await
        .unwrap();
    ledger.transfer(big("1")).await.unwrap();
    accounts::set_overdraft_limit(&bank.database, a, czk("0"))
        .await
        .unwrap();
    let refused = rejection(&ledger, big("120")).await;
    assert!(
        matches!(refused, Rejection::InsufficientFunds { available, .. } if available == czk("99")),
        "{refused:?}"
    );
    let memory = ledger.account_cache_metrics();
    assert!(memory.right >= 1 && memory.wrong >= 2, "{memory:?}");
    bank.assert_sound().await;
}

async fn several_processes_move_the_same_accounts(bank: TestBank) {
    let mut all = Vec::new();
    for _ in 0..8 {
        all.push(bank.account(czk("100")).await);
    }
    let mut tasks = Vec::new();
    for process in 0..3_u64 {
        let ledger = stranger(&bank).await;
        for task in 0..4 {
            let (ledger, all) = (ledger.clone(), all.clone());
            tasks.push(tokio::spawn(async move {
                let mut random = Random::new(process * 100 + task);
                let mut posted = Vec::new();
                for number in 0..60 {
                    let (from, to) = random.pair(&all);
                    let amount = czk(&(1 + random.below(40)).to_string());
                    let key = format!("{process} {task} {number}");
                    let request = TransferRequest::new(from, to, amount).with_idempotency_key(key);
                    match ledger.transfer(request).await {
                        Ok(receipt) => posted.push(receipt),
                        Err(LedgerError::Rejected(Rejection::InsufficientFunds { .. })) => {}
                        other => panic!("{other:?}"),
                    }
                }
                (ledger, posted)
            }));
        }
    }
    let (mut right, mut wrong, mut receipts) = (0, 0, Vec::new());
    for task in tasks {
        let (ledger, posted) = task.await.unwrap();
        receipts.extend(posted);
        right += ledger.account_cache_metrics().right;
        wrong += ledger.account_cache_metrics().wrong;
    }
    // Otherwise this test has seen nothing.
    assert!(right > 0 && wrong > 0, "{right} {wrong}");
    for receipt in &receipts {
        for entry in [&receipt.debit, &receipt.credit] {
            let sql = "SELECT account_id = $2 AND entry_number = $3 AND running_balance = $4 AND transaction_date = $5
                       FROM banking.transactions WHERE transaction_id = $1";
            let values = [
                entry.transaction_id.as_uuid().into(),
                entry.account_id.as_uuid().into(),
                entry.entry_number.into(),
                entry.running_balance.amount().into(),
                receipt.posted_at.into(),
            ];
            let equal: bool = bank
                .database
                .fetch_value(statement(sql, values))
                .await
                .unwrap();
            assert!(equal, "{receipt:?}");
        }
    }
    let there = bank
        .count("banking.transfers WHERE transfer_type = 'transfer'")
        .await;
    assert_eq!(there, receipts.len() as i64);
    bank.assert_no_deadlock().await;
    bank.assert_sound().await;
}

fn transfers(requests: &[(AccountId, AccountId, &str)]) -> Vec<Request> {
    requests
        .iter()
        .map(|(from, to, amount)| TransferRequest::new(*from, *to, czk(amount)).into())
        .collect()
}

fn short_of(outcome: &Outcome) -> Option<Money> {
    match outcome {
        Outcome::Rejected(Rejection::InsufficientFunds { available, .. }) => Some(*available),
        _ => None,
    }
}

async fn a_refusal_is_held_against_the_accounts_too(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let poor = bank.account(czk("5")).await;
    let ledger = stranger(&bank).await;
    let requests = transfers(&[
        (a, b, "10"),
        (poor, b, "6"),
        (b, a, "11"),
        (a, a, "1"),
        (b, poor, "10"),
    ]);
    for round in 1..=3_u64 {
        let outcomes = ledger.submit_all(&requests).await.unwrap();
        assert!(matches!(outcomes[0], Outcome::Posted(_)));
        assert_eq!(short_of(&outcomes[1]).is_some(), round == 1, "{outcomes:?}");
        assert_eq!(short_of(&outcomes[2]).is_some(), round == 1, "{outcomes:?}");
        assert!(matches!(
            outcomes[3],
            Outcome::Rejected(Rejection::SameAccount { .. })
        ));
        assert!(matches!(outcomes[4], Outcome::Posted(_)), "{outcomes:?}");
        if round == 1 {
            assert_eq!(short_of(&outcomes[1]), Some(czk("5")));
            assert_eq!(short_of(&outcomes[2]), Some(czk("10")));
            assert_eq!(
                (
                    ledger.account_cache_metrics().right,
                    ledger.account_cache_metrics().wrong
                ),
                (1, 0)
            );
        }
        let more = PostingRequest::deposit(b, czk("50"));
        ledger.submit(more).await.unwrap();
    }
    assert_eq!(
        ledger.account_cache_metrics().wrong,
        0,
        "{:?}",
        ledger.account_cache_metrics()
    );
    bank.assert_sound().await;
}

async fn a_refusal_that_is_no_longer_right_is_not_given(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let poor = bank.account(czk("5")).await;
    let ledger = stranger(&bank).await;
    // All three are remembered.
    let known = transfers(&[(a, b, "1"), (poor, b, "1")]);
    ledger.submit_all(&known).await.unwrap();
    bank.ledger
        .submit(PostingRequest::deposit(poor, czk("2")))
        .await
        .unwrap();
    let requests = transfers(&[(a, b, "1"), (poor, b, "6")]);
    let outcomes = ledger.submit_all(&requests).await.unwrap();
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Posted(_))),
        "{outcomes:?}"
    );
    assert_eq!(
        (
            ledger.account_cache_metrics().right,
            ledger.account_cache_metrics().wrong
        ),
        (1, 1)
    );
    assert_eq!(bank.balance(poor).await, czk("0"));
    bank.assert_sound().await;
}

async fn keys_of_another_process_are_found(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let ledger = stranger(&bank).await;
    let keyed =
        |key: &str, amount| TransferRequest::new(a, b, czk(amount)).with_idempotency_key(key);
    let first = bank.ledger.transfer(keyed("one", "3")).await.unwrap();
    assert_eq!(ledger.transfer(keyed("one", "3")).await.unwrap(), first);
    let reused = rejection(&ledger, keyed("one", "4")).await;
    assert!(matches!(reused, Rejection::KeyReused { .. }), "{reused:?}");
    let beside: Vec<Request> = ["two", "one", "two"]
        .map(|key| keyed(key, "3").into())
        .to_vec();
    let outcomes = ledger.submit_all(&beside).await.unwrap();
    let Outcome::Posted(second) = &outcomes[0] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(outcomes[1], Outcome::Replayed(first));
    assert_eq!(outcomes[2], Outcome::Replayed(second.clone()));
    assert_eq!(bank.balance(b).await, czk("6"));
    bank.assert_sound().await;
}

async fn times_are_those_of_the_journal(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let ledger = stranger(&bank).await;
    let mut last = None;
    for _ in 0..5 {
        let before: chrono::DateTime<chrono::Utc> = bank
            .database
            .fetch_value(statement("SELECT clock_timestamp()", []))
            .await
            .unwrap();
        let keyed = |key: String| {
            Request::from(TransferRequest::new(a, b, czk("1")).with_idempotency_key(key))
        };
        let key = format!("{last:?}");
        let requests = [
            keyed(key.clone()),
            keyed(format!("{key} again")),
            keyed(key),
        ];
        for outcome in ledger.submit_all(&requests).await.unwrap() {
            let receipt = outcome.into_receipt().unwrap();
            let sql = "SELECT posted_at FROM banking.transfers WHERE transfer_id = $1";
            let there: chrono::DateTime<chrono::Utc> = bank
                .database
                .fetch_value(statement(sql, [receipt.transfer_id.as_uuid().into()]))
                .await
                .unwrap();
            assert_eq!(receipt.posted_at, there);
            assert!(there >= before && Some(there) >= last);
            last = Some(there);
        }
    }
    assert_eq!(
        (
            ledger.account_cache_metrics().right,
            ledger.account_cache_metrics().wrong
        ),
        (5, 0)
    );
    bank.assert_sound().await;
}

/// A row that is written and then rolled back takes room until a vacuum comes.
async fn guesses_that_are_wrong_leave_no_rows_behind(bank: TestBank) {
    let (a, b) = (
        bank.account(czk("10000")).await,
        bank.account(czk("0")).await,
    );
    let superuser = bank.superuser().await;
    let extension = "CREATE EXTENSION pgstattuple SCHEMA public";
    superuser.execute(statement(extension, [])).await.unwrap();
    let mut wrong = 0;
    for _ in 0..10 {
        let ledger = stranger(&bank).await;
        let many = transfers(&[(a, b, "1"); 40]);
        ledger.submit_all(&many).await.unwrap();
        bank.ledger
            .transfer(TransferRequest::new(b, a, czk("1")))
            .await
            .unwrap();
        ledger.submit_all(&many).await.unwrap();
        wrong += ledger.account_cache_metrics().wrong;
        ledger.database().close();
    }
    assert_eq!(wrong, 10);
    for table in ["transfers", "transactions"] {
        let sql = format!("SELECT dead_tuple_count FROM public.pgstattuple('banking.{table}')");
        let dead: i64 = superuser.fetch_value(statement(&sql, [])).await.unwrap();
        assert_eq!(dead, 0, "{table}");
    }
    bank.assert_sound().await;
}

async fn behind_a_pooler_and_with_a_deadline_locks_are_taken(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut config = bank.config();
    config.pooler = neobank_db::Pooler::Transaction;
    let pooled = single(Database::connect(config).await.unwrap());
    let later = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let hurried = single(bank.database.with_deadline(later));
    let careful = single_with_cache(bank.database.clone(), 0);
    for ledger in [pooled, hurried, careful] {
        let one = TransferRequest::new(a, b, czk("1"));
        ledger.transfer(one.clone()).await.unwrap();
        ledger.transfer(one).await.unwrap();
        let memory = ledger.account_cache_metrics();
        assert_eq!((memory.right, memory.wrong, memory.under_locks), (0, 0, 2));
    }
    bank.assert_sound().await;
}
