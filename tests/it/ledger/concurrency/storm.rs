//! The storm: 32 tasks move money among 8 accounts while callers time out at random moments and
//! backends are killed. Each transfer has a key. Afterwards every answer is compared with the
//! journal.
//!
//! `NEOBANK_STORM_TRANSFERS` is the number of transfers; continuous integration uses 50,000,
//! and 200,000 take five minutes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use neobank_db::{Database, ErrorClass, Executor, statement};
use neobank_domain::{AccountId, Ledger, LedgerError, Money, TransferId, TransferRequest};

use crate::harness::{Random, TestBank, czk};

on_both_versions!(acknowledged_transfer_exists_once);

const TASKS: u64 = 32;
const ACCOUNTS: usize = 8;
const TRANSFERS: u64 = 4_000;

/// The last answer to the caller of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A receipt: the transfer must exist once, with this identifier.
    Acknowledged(TransferId),
    /// A rejection: the transfer must not exist.
    Rejected,
    /// A failure before the commit: the transfer must not exist.
    Failed,
    /// A timeout or a lost answer: the transfer exists once or not at all.
    Open,
}

#[derive(Default, Debug)]
struct Counts {
    given_up: u64,
    unknown: u64,
    failed: u64,
    asked_again: u64,
}

/// Returns the transfer of a number, which is the same each time.
fn request(number: u64, accounts: &[AccountId]) -> TransferRequest {
    let mut random = Random::new(number);
    let (from, to) = random.pair(accounts);
    let amount = czk(&format!("{}.{:02}", random.below(60), 1 + random.below(99)));
    TransferRequest::new(from, to, amount).with_idempotency_key(key(number))
}

fn key(number: u64) -> String {
    format!("storm {number}")
}

async fn acknowledged_transfer_exists_once(bank: TestBank) {
    let transfers =
        std::env::var("NEOBANK_STORM_TRANSFERS").map_or(TRANSFERS, |text| text.parse().unwrap());
    let mut accounts = Vec::new();
    for _ in 0..ACCOUNTS {
        accounts.push(bank.account(czk("200")).await);
    }
    let accounts: Arc<[AccountId]> = accounts.into();
    let over = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn(kill_now_and_then(bank.superuser().await, Arc::clone(&over)));

    let started = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (ledger, accounts) = (bank.ledger.clone(), Arc::clone(&accounts));
            tokio::spawn(async move {
                let mut counts = Counts::default();
                let mut fates = Vec::new();
                for number in (task..transfers).step_by(TASKS as usize) {
                    fates.push((number, fate(&ledger, number, &accounts, &mut counts).await));
                }
                (fates, counts)
            })
        })
        .collect();
    let (mut fates, mut counts) = (Vec::new(), Counts::default());
    for task in tasks {
        let (of_task, task_counts) = task.await.unwrap();
        fates.extend(of_task);
        counts.given_up += task_counts.given_up;
        counts.unknown += task_counts.unknown;
        counts.failed += task_counts.failed;
        counts.asked_again += task_counts.asked_again;
    }
    over.store(true, Ordering::Relaxed);
    let kills = killer.await.unwrap();
    let took = started.elapsed();

    assert_eq!(fates.len() as u64, transfers);
    let there = transfers_by_key(&bank.database).await;
    let tally = compare_with_the_journal(&fates, &there);
    report(bank.version, took, &tally, &counts, kills);
    assert_balances(&bank, &accounts, &there).await;
    bank.assert_sound().await;
    bank.assert_no_deadlock().await;
    assert_every_connection_came_back(&bank.database).await;
    assert!(
        kills > 0
            && counts.given_up > 0
            && tally.open_there > 0
            && tally.rejected > 0
            && tally.acknowledged > transfers / 2,
        "the storm was none: {tally:?}, {counts:?}, {kills} kills"
    );
}

/// Requests a transfer, and sometimes times out or repeats it.
async fn fate(ledger: &Ledger, number: u64, accounts: &[AccountId], counts: &mut Counts) -> Fate {
    let mut random = Random::new(u64::MAX - number);
    let mut open = false;
    loop {
        let attempt = ledger.submit(request(number, accounts));
        let outcome = if random.below(16) == 0 {
            let limit = Duration::from_micros(random.below(20_000));
            tokio::time::timeout(limit, attempt).await.ok()
        } else {
            Some(attempt.await)
        };
        let failed = match outcome {
            // An earlier attempt held the accounts' locks, so it ended before this one.
            Some(Ok(receipt)) => return Fate::Acknowledged(receipt.transfer_id),
            Some(Err(LedgerError::Rejected(_))) => return Fate::Rejected,
            Some(Err(LedgerError::Database(error))) => {
                let class = error.class();
                assert!(
                    matches!(
                        class,
                        ErrorClass::ConnectionLost | ErrorClass::ServerUnavailable
                    ),
                    "{error:?}"
                );
                counts.failed += 1;
                true
            }
            Some(Err(LedgerError::Unknown { .. })) => {
                counts.unknown += 1;
                false
            }
            Some(Err(other)) => panic!("{other:?}"),
            None => {
                counts.given_up += 1;
                false
            }
        };
        open |= !failed;
        if random.below(2) == 0 {
            return if open { Fate::Open } else { Fate::Failed };
        }
        counts.asked_again += 1;
    }
}

/// Terminates a busy backend four times a second.
async fn kill_now_and_then(superuser: Database, over: Arc<AtomicBool>) -> u64 {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM (
                   SELECT pid FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
                   ORDER BY random() LIMIT 1
               ) AS victim";
    let mut kills = 0;
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        kills += superuser
            .fetch_value::<i64>(statement(sql, []))
            .await
            .unwrap() as u64;
    }
    kills
}

async fn transfers_by_key(database: &Database) -> HashMap<String, TransferId> {
    let sql = "SELECT idempotency_key, transfer_id FROM banking.transfers WHERE idempotency_key LIKE 'storm %'";
    let rows = database.query(statement(sql, [])).await.unwrap();
    let there: HashMap<String, TransferId> = rows
        .iter()
        .map(|row| (row.get(0), row.get::<_, uuid::Uuid>(1).into()))
        .collect();
    assert_eq!(there.len(), rows.len(), "a key is there more than once");
    there
}

#[derive(Debug, Default)]
struct Tally {
    acknowledged: u64,
    rejected: u64,
    failed: u64,
    open_there: u64,
    open_not_there: u64,
}

fn compare_with_the_journal(fates: &[(u64, Fate)], there: &HashMap<String, TransferId>) -> Tally {
    let mut tally = Tally::default();
    for (number, fate) in fates {
        let found = there.get(&key(*number)).copied();
        match (fate, found) {
            (Fate::Acknowledged(transfer), found) => {
                assert_eq!(found, Some(*transfer), "{number} was acknowledged");
                tally.acknowledged += 1;
            }
            (Fate::Rejected | Fate::Failed, Some(transfer)) => {
                panic!("{number} is there as {transfer}, but {fate:?}")
            }
            (Fate::Rejected, None) => tally.rejected += 1,
            (Fate::Failed, None) => tally.failed += 1,
            (Fate::Open, Some(_)) => tally.open_there += 1,
            (Fate::Open, None) => tally.open_not_there += 1,
        }
    }
    assert_eq!(
        there.len() as u64,
        tally.acknowledged + tally.open_there,
        "more is there than was asked for"
    );
    tally
}

/// Asserts that the balances are the sums of the transfers that exist.
async fn assert_balances(
    bank: &TestBank,
    accounts: &[AccountId],
    there: &HashMap<String, TransferId>,
) {
    let mut expected: HashMap<AccountId, Money> = accounts
        .iter()
        .map(|account| (*account, czk("200")))
        .collect();
    for key in there.keys() {
        let request = request(
            key.strip_prefix("storm ").unwrap().parse().unwrap(),
            accounts,
        );
        let payer = expected[&request.from].checked_sub(request.amount).unwrap();
        expected.insert(request.from, payer);
        let payee = expected[&request.to].checked_add(request.amount).unwrap();
        expected.insert(request.to, payee);
    }
    for account in accounts {
        assert_eq!(bank.balance(*account).await, expected[account]);
    }
}

async fn assert_every_connection_came_back(database: &Database) {
    for _ in 0..100 {
        let status = database.status();
        if status.idle == status.open && status.waiting == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("connections are missing: {:?}", database.status());
}

#[expect(clippy::print_stdout, reason = "the counts are the point of the test")]
fn report(version: u32, took: Duration, tally: &Tally, counts: &Counts, kills: u64) {
    let transfers = tally.acknowledged
        + tally.rejected
        + tally.failed
        + tally.open_there
        + tally.open_not_there;
    let rate = u128::from(transfers) * 1_000 / took.as_millis().max(1);
    println!(
        "PostgreSQL {version}: {transfers} transfers in {took:.1?}, {rate} a second; {kills} backends killed; {tally:?}; {counts:?}"
    );
}
