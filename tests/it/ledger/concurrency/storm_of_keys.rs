//! Concurrent callers with the same keys and changing balances: a used key is always found, and a
//! rejection was true at some moment of its call.
//!
//! `NEOBANK_STORM_KEYS` is the number of keys, `NEOBANK_STORM_SUBMITTERS` the number of callers for
//! each.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use neobank_db::{Database, Executor, statement};
use neobank_domain::ledger::Request;
use neobank_domain::{
    AccountId, Ledger, LedgerError, PostingRequest, Receipt, Rejection, TransferId, TransferRequest,
};
use rust_decimal::Decimal;

use crate::harness::{Random, TestBank, czk, grouped, single};

on_both_versions!(
    same_key_from_all_callers_gives_the_same_receipt,
    pipelined_rejection_is_valid,
);

fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

/// Each payer has exactly the amount, so that after the payment only the key explains the balance.
async fn same_key_from_all_callers_gives_the_same_receipt(bank: TestBank) {
    let keys = size("NEOBANK_STORM_KEYS", 24);
    let submitters = size("NEOBANK_STORM_SUBMITTERS", 32);
    let payee = bank.account(czk("0")).await;
    let load = [
        bank.account(czk("1000000")).await,
        bank.account(czk("1000000")).await,
    ];
    let mut config = bank.config();
    // Each caller has a connection of its own, and many wait for the same accounts.
    config.pool_max = 40;
    config.acquire_timeout = std::time::Duration::from_secs(60);
    config.lock_timeout = std::time::Duration::from_secs(30);
    let databases = [
        Database::connect(config.clone()).await.unwrap(),
        Database::connect(config).await.unwrap(),
    ];
    let ledgers = databases.map(single);
    let grouped = ledgers.each_ref().map(grouped);
    for round in 0..keys.div_ceil(4) {
        let mut requests = Vec::new();
        for number in 0..4 {
            let payer = bank.account(czk("100")).await;
            let key = format!("shared {round} {number}");
            requests.push(TransferRequest::new(payer, payee, czk("100")).with_idempotency_key(key));
        }
        let calls = (0..submitters).flat_map(|submitter| {
            let (ledgers, grouped) = (&ledgers, &grouped);
            requests.iter().enumerate().map(move |(number, request)| {
                let (ledger, grouped) = (&ledgers[submitter % 2], &grouped[submitter % 2]);
                async move {
                    (
                        number,
                        in_some_way(submitter / 2, ledger, grouped, request, load).await,
                    )
                }
            })
        });
        let mut receipts: HashMap<usize, Receipt> = HashMap::new();
        for (number, answer) in join_all(calls).await {
            let receipt = answer.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
            let first = receipts.entry(number).or_insert_with(|| receipt.clone());
            assert_eq!(*first, receipt);
        }
    }
    let there = bank
        .count("banking.transfers WHERE idempotency_key LIKE 'shared %'")
        .await;
    assert_eq!(there, (keys.div_ceil(4) * 4) as i64);
    bank.assert_no_deadlock().await;
    bank.assert_sound().await;
}

/// Sends the request by itself, in a batch between two others, with group commit beside two others,
/// or in the caller's transaction.
async fn in_some_way(
    way: usize,
    ledger: &Ledger,
    grouped: &Ledger,
    request: &TransferRequest,
    [one, other]: [AccountId; 2],
) -> Result<Receipt, LedgerError> {
    let load = || TransferRequest::new(one, other, czk("1"));
    match way % 4 {
        0 => ledger.transfer(request.clone()).await,
        1 => {
            let list: [Request; 3] = [load().into(), request.clone().into(), load().into()];
            let mut outcomes = ledger.submit_all(&list).await?;
            Ok(outcomes.remove(1).into_receipt()?)
        }
        2 => {
            let (answer, _, _) = tokio::join!(
                grouped.transfer(request.clone()),
                grouped.transfer(load()),
                grouped.transfer(load())
            );
            answer
        }
        _ => {
            let mut transaction = ledger.database().begin().await?;
            let list: [Request; 2] = [load().into(), request.clone().into()];
            let mut outcomes = ledger.submit_all_in(&mut transaction, &list).await?;
            transaction.commit().await?;
            Ok(outcomes.remove(1).into_receipt()?)
        }
    }
}

/// An available balance that a caller got, with the time of the call.
struct SeenRejection {
    account: AccountId,
    available: Decimal,
    requested: Decimal,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// The answers that callers got.
#[derive(Default)]
struct Seen {
    rejections: Vec<SeenRejection>,
    /// The time of the answer, before which the transfer was committed.
    acknowledged: HashMap<TransferId, DateTime<Utc>>,
}

impl Seen {
    fn note(&mut self, from: DateTime<Utc>, answer: Result<Receipt, LedgerError>) {
        let until = Utc::now();
        match answer {
            Ok(receipt) => {
                self.acknowledged
                    .entry(receipt.transfer_id)
                    .or_insert(until);
            }
            Err(LedgerError::Rejected(Rejection::InsufficientFunds {
                account,
                available,
                requested,
            })) => self.rejections.push(SeenRejection {
                account,
                available: available.amount(),
                requested: requested.amount(),
                from,
                until,
            }),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn add(&mut self, other: Self) {
        self.rejections.extend(other.rejections);
        self.acknowledged.extend(other.acknowledged);
    }
}

/// Callers of one hot account, enough for pipelined batches, while another process withdraws and
/// deposits, so that speculative state often is not what the database has.
async fn pipelined_rejection_is_valid(bank: TestBank) {
    let rounds = size("NEOBANK_STORM_KEYS", 24);
    let mut payers = Vec::new();
    for _ in 0..20 {
        payers.push(bank.account(czk("100000")).await);
    }
    let hot = bank.account(czk("100")).await;
    let stop = Arc::new(AtomicBool::new(false));
    let other_process = single(Database::connect(bank.config()).await.unwrap());
    let disturbing = tokio::spawn(disturb(other_process, hot, Arc::clone(&stop)));
    let grouped = grouped(&bank.ledger);
    let mut seen = Seen::default();
    let mut round = 0;
    while round < rounds || (round < 500 && grouped.group_commit_metrics().pipelined == 0) {
        round += 1;
        let mut random = Random::new(round as u64);
        let calls = (0..400_usize).map(|number| {
            let payer = payers[number % 20];
            let request = match random.below(3) {
                0 => TransferRequest::new(payer, hot, czk("7")),
                1 => TransferRequest::new(hot, payer, czk("10")),
                _ => TransferRequest::new(hot, payer, czk("150")),
            };
            let request = request.with_idempotency_key(format!("hot {round} {number}"));
            let grouped = &grouped;
            async move {
                let from = Utc::now();
                (from, grouped.transfer(request).await)
            }
        });
        for (from, answer) in join_all(calls).await {
            seen.note(from, answer);
        }
    }
    stop.store(true, Ordering::Relaxed);
    seen.add(disturbing.await.unwrap());
    assert!(
        seen.rejections.len() > 100,
        "{} rejections",
        seen.rejections.len()
    );
    let balances = balances(&bank.database, hot).await;
    for rejection in &seen.rejections {
        assert_true(rejection, hot, &balances, &seen.acknowledged);
    }
    bank.assert_no_deadlock().await;
    bank.assert_sound().await;
}

async fn disturb(other_process: Ledger, hot: AccountId, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let from = Utc::now();
        let deposit = PostingRequest::deposit(hot, czk("200"));
        seen.note(from, other_process.submit(deposit).await);
        let from = Utc::now();
        let withdrawal = PostingRequest::withdrawal(hot, czk("190"));
        seen.note(from, other_process.submit(withdrawal).await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    seen
}

/// A balance of the account, with its transfer and the time from which it was valid.
struct Balance {
    transfer: TransferId,
    since: DateTime<Utc>,
    amount: Decimal,
}

async fn balances(database: &Database, account: AccountId) -> Vec<Balance> {
    let sql =
        "SELECT transfer_id, transaction_date, running_balance::numeric FROM banking.transactions
               WHERE account_id = $1 ORDER BY entry_number";
    let rows = database
        .query(statement(sql, [account.as_uuid().into()]))
        .await
        .unwrap();
    rows.iter()
        .map(|row| Balance {
            transfer: row.get::<_, uuid::Uuid>(0).into(),
            since: row.get(1),
            amount: row.get(2),
        })
        .collect()
}

/// Asserts that the account had the balance during the call. A balance is valid from the posting of
/// its entry, at the earliest, until the acknowledgement of the next one, at the latest.
fn assert_true(
    rejection: &SeenRejection,
    hot: AccountId,
    balances: &[Balance],
    acknowledged: &HashMap<TransferId, DateTime<Utc>>,
) {
    assert_eq!(rejection.account, hot);
    assert!(rejection.available < rejection.requested);
    let was = balances.iter().enumerate().any(|(number, balance)| {
        let next = balances.get(number + 1);
        let until = next.and_then(|next| acknowledged.get(&next.transfer));
        balance.amount == rejection.available
            && balance.since <= rejection.until
            && until.is_none_or(|until| *until >= rejection.from)
    });
    assert!(
        was,
        "{} was never there between {} and {}",
        rejection.available, rejection.from, rejection.until
    );
}
