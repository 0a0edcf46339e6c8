//! Callers that share transactions: each keeps its own outcome, whatever happens to the others.

mod apart;
mod callers;
mod failure;
mod groups;
mod lost;
mod pipelining;
mod workers;

use std::time::Duration;

use futures_util::future::join_all;
use neobank_db::{Executor, Transaction, statement};
use neobank_domain::ledger::group_commit::GroupCommitOptions;
use neobank_domain::{AccountId, Ledger, LedgerError, Receipt, TransferRequest};

use crate::harness::{TestBank, czk};

/// Somebody outside who has an account's lock, so that the group with a request for it waits.
struct Gate {
    from: AccountId,
    to: AccountId,
    holder: Transaction,
}

impl Gate {
    async fn close(bank: &TestBank) -> Self {
        let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
        let holder = bank.database.begin().await.unwrap();
        lock(&holder, from).await;
        Self { from, to, holder }
    }

    fn request(&self) -> TransferRequest {
        TransferRequest::new(self.from, self.to, czk("1"))
    }

    async fn open(self) {
        self.holder.rollback().await.unwrap();
    }
}

/// Groups wait for what is locked, however long that takes, so that a gate holds them up.
fn patient() -> GroupCommitOptions {
    let mut options = GroupCommitOptions::default();
    options.lock_patience = Duration::from_secs(600);
    options.silence_patience = Duration::from_secs(600);
    options
}

/// One group at a time, so that a test can say who is in it.
fn one_lane(ledger: &Ledger) -> Ledger {
    let mut options = patient();
    options.workers = 1;
    ledger.with_group_commit(options).unwrap()
}

async fn lock(transaction: &Transaction, account: AccountId) {
    let sql = "SELECT FROM banking.accounts WHERE account_id = $1 FOR UPDATE";
    transaction
        .execute(statement(sql, [account.as_uuid().into()]))
        .await
        .unwrap();
}

/// Sends a request that has to wait for its lock, then the others in their order, and lets them go when all of them wait:
/// so that they are one group.
async fn as_one_group(
    bank: &TestBank,
    gathered: &Ledger,
    requests: Vec<TransferRequest>,
) -> Vec<Result<Receipt, LedgerError>> {
    let gate = Gate::close(bank).await;
    let first = first_group(gathered, &gate).await;
    let waiting = requests.len();
    // Each future is polled for the first time in turn, and so it arrives in turn.
    let callers = join_all(
        requests
            .into_iter()
            .map(|request| gathered.transfer(request)),
    );
    let (outcomes, ()) = tokio::join!(callers, async {
        until(|| gathered.group_commit_metrics().waiting == waiting).await;
        gate.open().await;
    });
    first.await.unwrap().unwrap();
    outcomes
}

/// A group of one that waits for the gate.
async fn first_group(
    gathered: &Ledger,
    gate: &Gate,
) -> tokio::task::JoinHandle<Result<Receipt, LedgerError>> {
    let (groups, request) = (gathered.group_commit_metrics().groups, gate.request());
    let ledger = gathered.clone();
    let first = tokio::spawn(async move { ledger.transfer(request).await });
    until(|| gathered.group_commit_metrics().groups > groups).await;
    first
}

async fn until(mut reached: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come to that");
}

/// How many transfers there are with this key.
async fn with_idempotency_key(bank: &TestBank, key: &str) -> i64 {
    let sql = "SELECT count(*) FROM banking.transfers WHERE idempotency_key = $1";
    bank.database
        .fetch_value(statement(sql, [key.into()]))
        .await
        .unwrap()
}
