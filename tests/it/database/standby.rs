//! Commits that wait for a standby that is absent.

use std::time::Duration;

use neobank_db::driver::{ToSql, Type};
use neobank_db::{
    Database, DatabaseConfig, DatabaseError, Executor, Pooler, RetryPolicy, Statement, Transaction,
    TransactionCommand, TransactionError, statement,
};
use neobank_postgres::LocalServer;

/// Starts a server of its own, because the setting applies to the whole server.
async fn without_its_standby(version: u32) -> LocalServer {
    crate::harness::own_server(
        version,
        &[
            ("synchronous_standby_names", "gone"),
            ("synchronous_commit", "on"),
        ],
    )
    .await
}

async fn cancelled_waits_are_reported(version: u32) {
    let server = without_its_standby(version).await;
    let mut config = DatabaseConfig::from_url(server.url()).unwrap();
    config.commit_timeout = Duration::from_secs(20);
    let database = Database::connect(config).await.unwrap();
    // Each transaction may choose not to wait; this one creates the table.
    let transaction = database.begin().await.unwrap();
    for sql in [
        "SET LOCAL synchronous_commit = local",
        "CREATE TABLE public.note (text text)",
        // The warning must arrive whatever the role's message level is.
        "ALTER ROLE ALL SET client_min_messages = 'error'",
    ] {
        transaction.execute(statement(sql, [])).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let database = Database::connect(database.config().clone()).await.unwrap();

    let insert = |text: &str| statement("INSERT INTO public.note VALUES ($1)", [text.into()]);
    let transaction = database.begin().await.unwrap();
    transaction.execute(insert("committed")).await.unwrap();
    let (outcome, ()) = tokio::join!(transaction.commit(), cancel_the_wait(&database));
    assert!(
        matches!(outcome, Err(DatabaseError::CommittedNotReplicated)),
        "{outcome:?}"
    );
    let (outcome, ()) = tokio::join!(
        database.execute(insert("on its own")),
        cancel_the_wait(&database)
    );
    assert!(
        matches!(outcome, Err(DatabaseError::CommittedNotReplicated)),
        "{outcome:?}"
    );
    let autocommit = database.autocommit().unwrap();
    let text: &(dyn ToSql + Sync) = &"alone";
    let (types, values) = ([Type::TEXT], [text]);
    let inserted = autocommit.write("INSERT INTO public.note VALUES ($1)", &types, &values);
    let (written, ()) = tokio::join!(inserted, cancel_the_wait(&database));
    assert!(!written.unwrap().replicated);
    let count = || statement("SELECT count(*) FROM public.note", []);
    assert_eq!(database.fetch_value::<i64>(count()).await.unwrap(), 3);
    for pooler in [Pooler::None, Pooler::Transaction] {
        let mut config = database.config().clone();
        config.pooler = pooler;
        let database = Database::connect(config).await.unwrap();
        let work = async |transaction: &mut Transaction| {
            transaction.execute(insert("valuable")).await?;
            Ok::<_, DatabaseError>(42)
        };
        let (outcome, ()) = tokio::join!(database.transaction(work), cancel_the_wait(&database));
        assert!(
            matches!(outcome, Err(TransactionError::NotReplicated { value: 42 })),
            "{pooler:?} {outcome:?}"
        );
        assert_eq!(outcome.unwrap_err().into_value(), Some(42));
        let mut insertion = Insertion(insert("again"));
        let policy = RetryPolicy::default();
        let (outcome, ()) = tokio::join!(
            database.retry(&policy, &mut insertion),
            cancel_the_wait(&database)
        );
        let error = outcome.unwrap_err();
        assert_eq!(error.attempts, 1);
        assert_eq!(error.error.into_value(), Some(42));
    }
    assert_eq!(database.fetch_value::<i64>(count()).await.unwrap(), 7);
    // The next checkout of the connection does not see the warning.
    let transaction = database.begin().await.unwrap();
    transaction.execute(count()).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn waits_end_at_the_commit_timeout(version: u32) {
    let server = without_its_standby(version).await;
    let mut config = DatabaseConfig::from_url(server.url()).unwrap();
    config.commit_timeout = Duration::from_millis(300);
    let database = Database::connect(config).await.unwrap();
    let transaction = database.begin().await.unwrap();
    transaction
        .execute(statement("CREATE TABLE public.note (text text)", []))
        .await
        .unwrap();
    // No timeout of the server applies here, so the client must have its own.
    let outcome = tokio::time::timeout(Duration::from_secs(5), transaction.commit())
        .await
        .expect("the limit of a commit");
    assert!(
        matches!(outcome, Err(DatabaseError::CommitUnknown { .. })),
        "{outcome:?}"
    );
    let outcome = database
        .transaction(async |transaction| {
            transaction
                .execute(statement("CREATE TABLE public.other ()", []))
                .await?;
            Ok::<_, DatabaseError>("made".to_owned())
        })
        .await;
    assert!(
        matches!(&outcome, Err(TransactionError::Unknown { value, .. }) if value == "made"),
        "{outcome:?}"
    );
    assert!(
        outcome
            .unwrap_err()
            .to_string()
            .contains("no answer within")
    );
}

/// A command with an output of its own.
struct Insertion(Statement);

impl TransactionCommand for Insertion {
    type Output = i32;
    type Error = DatabaseError;

    fn name(&self) -> &'static str {
        "insertion"
    }

    async fn run(&mut self, transaction: &mut Transaction, _: u32) -> Result<i32, DatabaseError> {
        transaction.execute(self.0.clone()).await?;
        Ok(42)
    }
}

async fn cancel_the_wait(database: &Database) {
    let sql =
        "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    for _ in 0..6_000 {
        let cancelled: i64 = database.fetch_value(statement(sql, [])).await.unwrap();
        if cancelled > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no commit waits for the standby");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_waits_are_reported_on_postgres_15() {
    cancelled_waits_are_reported(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_waits_are_reported_on_postgres_18() {
    cancelled_waits_are_reported(18).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_end_at_the_commit_timeout_on_postgres_15() {
    waits_end_at_the_commit_timeout(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_end_at_the_commit_timeout_on_postgres_18() {
    waits_end_at_the_commit_timeout(18).await;
}
