//! Group commit: callers share transactions, and each gets its own outcome.

mod batches;
mod callers;
pub(super) mod failure;
mod lost;
mod pipelining;
mod set_aside;
mod workers;

use std::time::Duration;

use futures_util::future::join_all;
use neobank_db::{Executor, Transaction, statement};
use neobank_domain::ledger::group_commit::GroupCommitOptions;
use neobank_domain::{AccountId, Ledger, LedgerError, Receipt, TransferRequest};
use tokio::task::JoinHandle;

use crate::harness::{TestBank, czk, lock_account};

/// A session that holds an account's lock, so that a batch with a request for the account waits.
struct Gate {
    from: AccountId,
    to: AccountId,
    holder: Transaction,
}

impl Gate {
    async fn close(bank: &TestBank) -> Self {
        let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
        let holder = bank.database.begin().await.unwrap();
        lock_account(&holder, from).await;
        Self { from, to, holder }
    }

    fn request(&self) -> TransferRequest {
        TransferRequest::new(self.from, self.to, czk("1"))
    }

    async fn open(self) {
        self.holder.rollback().await.unwrap();
    }
}

/// Returns options with which a batch waits as long as a gate is closed.
fn without_timeouts() -> GroupCommitOptions {
    let mut options = GroupCommitOptions::default();
    options.lock_timeout = Duration::from_secs(600);
    options.detach_after = Duration::from_secs(600);
    options
}

/// Returns a ledger with one worker, so that a test controls the contents of a batch.
fn one_worker(ledger: &Ledger) -> Ledger {
    let mut options = without_timeouts();
    options.workers = 1;
    ledger.with_group_commit(options).unwrap()
}

/// Executes requests as one batch: they wait behind a request that waits for a gate, which opens
/// when all of them are in the queue.
async fn as_one_batch(
    bank: &TestBank,
    grouped: &Ledger,
    requests: Vec<TransferRequest>,
) -> Vec<Result<Receipt, LedgerError>> {
    let gate = Gate::close(bank).await;
    let first = first_batch(grouped, &gate).await;
    let waiting = requests.len();
    // `join_all` polls the futures in their order, so the requests arrive in their order.
    let callers = join_all(
        requests
            .into_iter()
            .map(|request| grouped.transfer(request)),
    );
    let (outcomes, ()) = tokio::join!(callers, async {
        until(|| grouped.group_commit_metrics().waiting == waiting).await;
        gate.open().await;
    });
    first.await.unwrap().unwrap();
    outcomes
}

/// Starts a caller of one transfer.
fn ask(grouped: &Ledger, request: TransferRequest) -> JoinHandle<Result<Receipt, LedgerError>> {
    let grouped = grouped.clone();
    tokio::spawn(async move { grouped.transfer(request).await })
}

/// Starts a batch of one request that waits for the gate.
async fn first_batch(grouped: &Ledger, gate: &Gate) -> JoinHandle<Result<Receipt, LedgerError>> {
    let batches = grouped.group_commit_metrics().batches;
    let first = ask(grouped, gate.request());
    until(|| grouped.group_commit_metrics().batches > batches).await;
    first
}

/// Starts callers that each pay the amount under a key of their own, and waits until all are queued.
async fn queued_callers(
    grouped: &Ledger,
    (from, to): (AccountId, AccountId),
    amount: &str,
    count: usize,
) -> Vec<JoinHandle<Result<Receipt, LedgerError>>> {
    let callers = (0..count).map(|number| {
        let request =
            TransferRequest::new(from, to, czk(amount)).with_idempotency_key(format!("{number}"));
        ask(grouped, request)
    });
    let callers = callers.collect();
    until(|| grouped.group_commit_metrics().waiting == count).await;
    callers
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

/// Returns the number of transfers with this key.
async fn with_idempotency_key(bank: &TestBank, key: &str) -> i64 {
    let sql = "SELECT count(*) FROM banking.transfers WHERE idempotency_key = $1";
    bank.database
        .fetch_value(statement(sql, [key.into()]))
        .await
        .unwrap()
}
