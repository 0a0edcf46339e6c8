//! The account cache: optimistic attempts on stale accounts have the same outcomes as pessimistic
//! ones.

use neobank_db::{Database, Executor, statement};
use neobank_domain::accounts;
use neobank_domain::ledger::Outcome;
use neobank_domain::{
    AccountId, Ledger, LedgerError, Money, PostingRequest, Rejection, Request, TransferRequest,
};

use crate::harness::{Random, TestBank, czk, single, single_with_cache};

on_both_versions!(
    stale_cached_account_is_decided_again,
    receipts_of_several_processes_match_the_journal,
    rejection_is_validated_against_the_accounts,
    outdated_rejection_is_not_returned,
    key_of_another_process_is_found,
    receipt_has_the_time_of_the_journal,
    conflict_leaves_no_dead_rows,
    pooler_or_deadline_prevents_optimistic_attempts,
);

/// Returns a ledger with a pool and a cache of its own, as another process has them.
async fn separate_ledger(bank: &TestBank) -> Ledger {
    single(Database::connect(bank.config()).await.unwrap())
}

async fn rejection(ledger: &Ledger, request: TransferRequest) -> Rejection {
    match ledger.transfer(request).await {
        Err(LedgerError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

async fn stale_cached_account_is_decided_again(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let ledger = separate_ledger(&bank).await;
    let one = || TransferRequest::new(a, b, czk("1"));
    ledger.transfer(one()).await.unwrap();

    accounts::freeze(&bank.database, b).await.unwrap();
    let rejected = rejection(&ledger, one()).await;
    assert!(
        matches!(rejected, Rejection::NotActive { account, .. } if account == b),
        "{rejected:?}"
    );
    accounts::unfreeze(&bank.database, b).await.unwrap();
    ledger.transfer(one()).await.unwrap();

    let back = TransferRequest::new(b, a, czk("2"));
    bank.ledger.transfer(back).await.unwrap();
    let receipt = ledger.transfer(one()).await.unwrap();
    assert_eq!(receipt.debit.running_balance, czk("99"));
    assert_eq!(receipt.credit.entry_number, 4);

    // The cached limit would allow the transfer.
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
    let rejected = rejection(&ledger, big("120")).await;
    assert!(
        matches!(rejected, Rejection::InsufficientFunds { available, .. } if available == czk("99")),
        "{rejected:?}"
    );
    let cache = ledger.account_cache_metrics();
    assert!(cache.committed >= 1 && cache.conflicts >= 2, "{cache:?}");
    bank.assert_sound().await;
}

async fn receipts_of_several_processes_match_the_journal(bank: TestBank) {
    let mut all = Vec::new();
    for _ in 0..8 {
        all.push(bank.account(czk("100")).await);
    }
    let (mut ledgers, mut receipts) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let ledger = separate_ledger(&bank).await;
        // The second one is decided on the cache. Later on, others can be quicker each time.
        for _ in 0..2 {
            let request = TransferRequest::new(all[0], all[1], czk("1"));
            receipts.push(ledger.transfer(request).await.unwrap());
        }
        ledgers.push(ledger);
    }
    let mut tasks = Vec::new();
    for (process, ledger) in (0_u64..).zip(ledgers) {
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
    let (mut committed, mut conflicts) = (0, 0);
    for task in tasks {
        let (ledger, posted) = task.await.unwrap();
        receipts.extend(posted);
        committed += ledger.account_cache_metrics().committed;
        conflicts += ledger.account_cache_metrics().conflicts;
    }
    // The test is void without both.
    assert!(committed > 0 && conflicts > 0, "{committed} {conflicts}");
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

async fn rejection_is_validated_against_the_accounts(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let poor = bank.account(czk("5")).await;
    let ledger = separate_ledger(&bank).await;
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
                    ledger.account_cache_metrics().committed,
                    ledger.account_cache_metrics().conflicts
                ),
                (1, 0)
            );
        }
        let more = PostingRequest::deposit(b, czk("50"));
        ledger.submit(more).await.unwrap();
    }
    assert_eq!(
        ledger.account_cache_metrics().conflicts,
        0,
        "{:?}",
        ledger.account_cache_metrics()
    );
    bank.assert_sound().await;
}

async fn outdated_rejection_is_not_returned(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let poor = bank.account(czk("5")).await;
    let ledger = separate_ledger(&bank).await;
    // All three accounts are cached.
    let warm_up = transfers(&[(a, b, "1"), (poor, b, "1")]);
    ledger.submit_all(&warm_up).await.unwrap();
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
            ledger.account_cache_metrics().committed,
            ledger.account_cache_metrics().conflicts
        ),
        (1, 1)
    );
    assert_eq!(bank.balance(poor).await, czk("0"));
    bank.assert_sound().await;
}

async fn key_of_another_process_is_found(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let ledger = separate_ledger(&bank).await;
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

async fn receipt_has_the_time_of_the_journal(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let ledger = separate_ledger(&bank).await;
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
            ledger.account_cache_metrics().committed,
            ledger.account_cache_metrics().conflicts
        ),
        (5, 0)
    );
    bank.assert_sound().await;
}

/// Rows that are rolled back occupy space until a vacuum.
async fn conflict_leaves_no_dead_rows(bank: TestBank) {
    let (a, b) = (
        bank.account(czk("10000")).await,
        bank.account(czk("0")).await,
    );
    let superuser = bank.superuser().await;
    let extension = "CREATE EXTENSION pgstattuple SCHEMA public";
    superuser.execute(statement(extension, [])).await.unwrap();
    let mut conflicts = 0;
    for _ in 0..10 {
        let ledger = separate_ledger(&bank).await;
        let many = transfers(&[(a, b, "1"); 40]);
        ledger.submit_all(&many).await.unwrap();
        bank.ledger
            .transfer(TransferRequest::new(b, a, czk("1")))
            .await
            .unwrap();
        ledger.submit_all(&many).await.unwrap();
        conflicts += ledger.account_cache_metrics().conflicts;
        ledger.database().close();
    }
    assert_eq!(conflicts, 10);
    for table in ["transfers", "transactions"] {
        let sql = format!("SELECT dead_tuple_count FROM public.pgstattuple('banking.{table}')");
        let dead: i64 = superuser.fetch_value(statement(&sql, [])).await.unwrap();
        assert_eq!(dead, 0, "{table}");
    }
    bank.assert_sound().await;
}

async fn pooler_or_deadline_prevents_optimistic_attempts(bank: TestBank) {
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
        let cache = ledger.account_cache_metrics();
        assert_eq!(
            (cache.committed, cache.conflicts, cache.not_attempted),
            (0, 0, 2)
        );
    }
    bank.assert_sound().await;
}
