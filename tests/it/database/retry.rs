//! Transactions that the server asks to retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use neobank_db::{
    Database, DatabaseError, ErrorClass, Executor, IsolationLevel, RetryError, RetryPolicy,
    Transaction, TransactionCommand, TransactionOptions, statement,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::notes;
use crate::harness::TestBank;

on_both_versions!(
    increments_of_eight_writers_are_all_counted,
    serializable_retries_prevent_write_skew,
    repeatable_read_allows_write_skew,
    deadlock_is_retried_and_logged,
    error_outside_the_policy_is_not_retried,
);

const WRITERS: usize = 8;

const SERIALIZABLE: IsolationLevel = IsolationLevel::Serializable;

/// A command built from its parts.
pub(super) struct Command<W> {
    name: &'static str,
    isolation: IsolationLevel,
    work: W,
}

impl<T, W> TransactionCommand for Command<W>
where
    T: Send + 'static,
    W: Send + for<'a> FnMut(&'a mut Transaction, u32) -> BoxFuture<'a, Result<T, DatabaseError>>,
{
    type Output = T;
    type Error = DatabaseError;

    fn name(&self) -> &'static str {
        self.name
    }

    fn options(&self) -> TransactionOptions {
        TransactionOptions::default().with_isolation(self.isolation)
    }

    async fn run(
        &mut self,
        transaction: &mut Transaction,
        attempt: u32,
    ) -> Result<T, DatabaseError> {
        (self.work)(transaction, attempt).await
    }
}

pub(super) fn command<T, W>(name: &'static str, isolation: IsolationLevel, work: W) -> Command<W>
where
    W: for<'a> FnMut(&'a mut Transaction, u32) -> BoxFuture<'a, Result<T, DatabaseError>>,
{
    Command {
        name,
        isolation,
        work,
    }
}

fn many_attempts() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.attempts_max = 100;
    policy
}

async fn table(bank: &TestBank, sql: &str) -> Database {
    let database = notes(bank, 16).await;
    let superuser = bank.superuser().await;
    for sql in [
        sql,
        "GRANT ALL ON ALL TABLES IN SCHEMA scratch TO neobank_app",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    database
}

#[expect(clippy::print_stdout, reason = "how often they tried is for people")]
async fn increments_of_eight_writers_are_all_counted(bank: TestBank) {
    const EACH: u32 = 25;
    let database = table(&bank, "CREATE TABLE scratch.counter AS SELECT 0 AS n").await;
    let attempts = Arc::new(AtomicU32::new(0));
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (database, attempts) = (database.clone(), Arc::clone(&attempts));
        writers.spawn(async move {
            for _ in 0..EACH {
                let mut count = command("count", SERIALIZABLE, |transaction, _| {
                    attempts.fetch_add(1, Ordering::Relaxed);
                    Box::pin(async move {
                        let n: i32 = transaction
                            .fetch_value(statement("SELECT n FROM scratch.counter", []))
                            .await?;
                        let update = "UPDATE scratch.counter SET n = $1";
                        transaction
                            .execute(statement(update, [(n + 1).into()]))
                            .await
                    })
                });
                database.retry(&many_attempts(), &mut count).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let total = WRITERS as u32 * EACH;
    let n: i32 = database
        .fetch_value(statement("SELECT n FROM scratch.counter", []))
        .await
        .unwrap();
    assert_eq!(n as u32, total);
    let attempts = attempts.load(Ordering::Relaxed);
    assert!(attempts > total, "no writer was in another's way");
    println!("{total} increments in {attempts} attempts");
}

/// One of each pair must stay on call; each writer sees both on call and sends one home.
async fn serializable_retries_prevent_write_skew(bank: TestBank) {
    assert_eq!(skewed_pairs(&bank, SERIALIZABLE).await, 0);
}

/// The control: write skew occurs at this level, so the test above would detect it.
async fn repeatable_read_allows_write_skew(bank: TestBank) {
    let skewed = skewed_pairs(&bank, IsolationLevel::ReadCommitted).await;
    assert!(skewed > 0);
}

async fn skewed_pairs(bank: &TestBank, isolation: IsolationLevel) -> i64 {
    let database = table(
        bank,
        "CREATE TABLE scratch.doctor AS SELECT pair, one, true AS on_call
         FROM generate_series(1, 20) AS pair, generate_series(0, 1) AS one",
    )
    .await;
    let mut writers = JoinSet::new();
    let together = Arc::new(Barrier::new(WRITERS));
    for writer in 0..WRITERS {
        let (database, together) = (database.clone(), Arc::clone(&together));
        writers.spawn(async move {
            for pair in 1..=20_i32 {
                together.wait().await;
                let mut leave = command("leave", isolation, |transaction, _| {
                    Box::pin(async move {
                        let both = "SELECT count(*) FROM scratch.doctor WHERE pair = $1 AND on_call";
                        let on_call: i64 = transaction
                            .fetch_value(statement(both, [pair.into()]))
                            .await?;
                        if on_call == 2 {
                            let leave = "UPDATE scratch.doctor SET on_call = false WHERE pair = $1 AND one = $2";
                            let one = (writer % 2) as i32;
                            transaction
                                .execute(statement(leave, [pair.into(), one.into()]))
                                .await?;
                        }
                        Ok(())
                    })
                });
                database.retry(&many_attempts(), &mut leave).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let sql = "SELECT count(*) FROM (
                   SELECT pair FROM scratch.doctor GROUP BY pair HAVING count(*) FILTER (WHERE on_call) <> 1
               ) AS wrong";
    database.fetch_value(statement(sql, [])).await.unwrap()
}

async fn deadlock_is_retried_and_logged(bank: TestBank) {
    let database = table(
        &bank,
        "CREATE TABLE scratch.pair AS SELECT n, 0 AS hits FROM generate_series(0, 1) AS n",
    )
    .await;
    let barrier = Arc::new(Barrier::new(2));
    let crossing = async |first: i32| {
        let mut cross = command(
            "cross",
            IsolationLevel::ReadCommitted,
            |transaction, attempt| {
                let barrier = Arc::clone(&barrier);
                Box::pin(async move {
                    let hit = |n: i32| {
                        let sql = "UPDATE scratch.pair SET hits = hits + 1 WHERE n = $1";
                        statement(sql, [n.into()])
                    };
                    transaction.execute(hit(first)).await?;
                    if attempt == 1 {
                        barrier.wait().await;
                    }
                    transaction.execute(hit(1 - first)).await?;
                    Ok(attempt)
                })
            },
        );
        database
            .retry(&RetryPolicy::default(), &mut cross)
            .await
            .unwrap()
    };
    let (one, two) = tokio::join!(crossing(0), crossing(1));
    // A victim that restarts faster than the waiting transaction becomes the victim again.
    let retries = u64::from(one + two - 2);
    assert!(retries >= 1, "{one} and {two} attempts");
    let sql = "SELECT sum(hits)::bigint FROM scratch.pair";
    let hits: i64 = database.fetch_value(statement(sql, [])).await.unwrap();
    assert_eq!(hits, 4);
    let sql = "SELECT count(*) FROM concurrency.deadlock_log
               WHERE query_text = 'cross' AND jsonb_array_length(lock_info -> 'waits') >= 2";
    let logged: i64 = database.fetch_value(statement(sql, [])).await.unwrap();
    assert_eq!(logged.unsigned_abs(), retries);
    let metrics = database.metrics();
    let count = &metrics.retries[0];
    assert_eq!(
        (
            count.transaction,
            &*count.sqlstate,
            count.retries,
            count.failures
        ),
        ("cross", "40P01", retries, 0)
    );
    let line = format!(
        "neobank_transaction_retries_total{{db_client_connection_pool_name=\"neobank\",\
         transaction=\"cross\",sqlstate=\"40P01\"}} {retries}\n"
    );
    assert!(metrics.to_prometheus().contains(&line));
}

async fn error_outside_the_policy_is_not_retried(bank: TestBank) {
    let database = notes(&bank, 2).await;
    let divide = async |policy: &RetryPolicy| -> RetryError<DatabaseError, u64> {
        let mut divide = command("divide", IsolationLevel::ReadCommitted, |transaction, _| {
            Box::pin(async move { transaction.execute(statement("SELECT 1 / 0", [])).await })
        });
        database.retry(policy, &mut divide).await.unwrap_err()
    };
    let error = divide(&RetryPolicy::default()).await;
    assert_eq!(error.attempts, 1);
    assert!(error.to_string().contains("22012"), "{error}");
    let mut policy = RetryPolicy::default().also(ErrorClass::InvalidData);
    policy.attempts_max = 3;
    assert_eq!(divide(&policy).await.attempts, 3);
    policy.attempts_max = u32::MAX;
    policy.deadline = Duration::from_millis(200);
    let error = divide(&policy).await;
    assert!(
        error.attempts > 3 && error.elapsed < Duration::from_secs(2),
        "{error}"
    );
}
