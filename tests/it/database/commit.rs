//! Commits, which must report what happened.

use std::time::Duration;

use neobank_db::{
    Database, DatabaseError, ErrorClass, Executor, IsolationLevel, TransactionError,
    TransactionOptions, statement,
};

use super::{insert, noted, notes};
use crate::harness::{CuttingProxy, TestBank};

on_both_versions!(
    aborted_transaction_is_transaction_aborted,
    deferred_constraint_violation_is_named,
    serialization_failure_keeps_its_class,
    empty_transaction_sends_nothing,
    runner_commits_on_ok_and_rolls_back_on_err_and_panic,
    commit_cut_off_before_arrival_is_unknown,
    commit_cut_off_after_durability_is_unknown,
    commit_of_a_killed_backend_is_never_ok,
    pipelined_commit_is_all_or_nothing,
    late_answer_is_never_a_definite_failure,
    commit_on_a_lost_connection_is_a_definite_failure,
    no_statement_runs_after_a_failed_begin,
);

async fn aborted_transaction_is_transaction_aborted(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let transaction = database.begin().await.unwrap();
    transaction.execute(insert("kept?")).await.unwrap();
    // The caller ignores the error of a statement.
    assert!(
        transaction
            .execute(statement("SELECT 1 / 0", []))
            .await
            .is_err()
    );
    let outcome = transaction.commit().await;
    assert!(
        matches!(outcome, Err(DatabaseError::TransactionAborted)),
        "{outcome:?}"
    );
    assert!(!noted(&bank, "kept?").await);
    // The only connection of the pool is usable.
    database.execute(insert("next")).await.unwrap();
    assert!(noted(&bank, "next").await);
}

async fn deferred_constraint_violation_is_named(bank: TestBank) {
    let database = notes(&bank, 1).await;
    bank.superuser()
        .await
        .execute(statement(
            "ALTER TABLE scratch.note ADD COLUMN parent text
             CONSTRAINT note_parent REFERENCES scratch.note DEFERRABLE INITIALLY DEFERRED",
            [],
        ))
        .await
        .unwrap();
    let transaction = database.begin().await.unwrap();
    transaction
        .execute(statement(
            "INSERT INTO scratch.note VALUES ('orphan', 'nobody')",
            [],
        ))
        .await
        .unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(
        (error.class(), error.constraint()),
        (ErrorClass::ForeignKeyViolation, Some("note_parent"))
    );
    assert!(!noted(&bank, "orphan").await);
    database.execute(insert("next")).await.unwrap();
}

async fn serialization_failure_keeps_its_class(bank: TestBank) {
    let database = notes(&bank, 2).await;
    let options = TransactionOptions::default().with_isolation(IsolationLevel::Serializable);
    let (one, two) = (
        database.begin_with(options.clone()).await.unwrap(),
        database.begin_with(options).await.unwrap(),
    );
    for transaction in [&one, &two] {
        transaction
            .fetch_value::<i64>(statement("SELECT count(*) FROM scratch.note", []))
            .await
            .unwrap();
    }
    one.execute(insert("one")).await.unwrap();
    two.execute(insert("two")).await.unwrap();
    one.commit().await.unwrap();
    let error = two.commit().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::SerializationFailure);
    assert!(noted(&bank, "one").await && !noted(&bank, "two").await);
}

async fn empty_transaction_sends_nothing(bank: TestBank) {
    let database = notes(&bank, 1).await;
    database.begin().await.unwrap().commit().await.unwrap();
    database.begin().await.unwrap().rollback().await.unwrap();
    drop(database.begin().await.unwrap());
    assert_eq!(
        database.status().idle,
        1,
        "a transaction that never began needs no recovery"
    );
}

async fn runner_commits_on_ok_and_rolls_back_on_err_and_panic(bank: TestBank) {
    let database = notes(&bank, 1).await;
    database
        .transaction(async |transaction| transaction.execute(insert("ok")).await)
        .await
        .unwrap();
    let failed = database
        .transaction(async |transaction| {
            transaction.execute(insert("err")).await?;
            Err::<(), _>(DatabaseError::NoRow)
        })
        .await;
    assert!(matches!(
        failed,
        Err(TransactionError::Work(DatabaseError::NoRow))
    ));
    let other = database.clone();
    let panicked = tokio::spawn(async move {
        other
            .transaction(async |transaction| {
                transaction.execute(insert("panic")).await?;
                if transaction
                    .fetch_value::<i32>(statement("SELECT 1", []))
                    .await?
                    == 1
                {
                    panic!("in the middle");
                }
                Ok::<_, DatabaseError>(())
            })
            .await
    })
    .await;
    assert!(panicked.unwrap_err().is_panic());
    super::assert_all_come_back(&database).await;
    assert!(noted(&bank, "ok").await && !noted(&bank, "err").await && !noted(&bank, "panic").await);
    super::assert_nothing_left(&bank).await;
}

async fn through(bank: &TestBank, proxy: &CuttingProxy) -> Database {
    notes(bank, 1).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.pool_max = 1;
    Database::connect(config).await.unwrap()
}

async fn commit_cut_off_before_arrival_is_unknown(bank: TestBank) {
    let proxy = CuttingProxy::before(&bank.config()).await;
    let database = through(&bank, &proxy).await;
    let transaction = database.begin().await.unwrap();
    transaction.execute(insert("lost")).await.unwrap();
    proxy.cut_before_commit();
    let outcome = transaction.commit().await;
    assert!(
        matches!(outcome, Err(DatabaseError::CommitUnknown { .. })),
        "{outcome:?}"
    );
    assert!(!noted(&bank, "lost").await);
    database.execute(insert("next")).await.unwrap();
}

async fn commit_cut_off_after_durability_is_unknown(bank: TestBank) {
    let proxy = CuttingProxy::before(&bank.config()).await;
    let database = through(&bank, &proxy).await;
    let transaction = database.begin().await.unwrap();
    transaction.execute(insert("kept")).await.unwrap();
    proxy.cut_after_commit();
    let outcome = transaction.commit().await;
    assert!(
        matches!(outcome, Err(DatabaseError::CommitUnknown { .. })),
        "{outcome:?}"
    );
    assert!(noted(&bank, "kept").await, "the server had committed it");
    database.execute(insert("next")).await.unwrap();
}

async fn commit_of_a_killed_backend_is_never_ok(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let transaction = database.begin().await.unwrap();
    transaction.execute(insert("killed")).await.unwrap();
    let process: i32 = transaction
        .fetch_value(statement("SELECT pg_backend_pid()", []))
        .await
        .unwrap();
    let sql = "SELECT pg_terminate_backend($1, 5000)";
    assert!(
        bank.superuser()
            .await
            .fetch_value::<bool>(statement(sql, [process.into()]))
            .await
            .unwrap()
    );
    assert!(transaction.commit().await.is_err());
    assert!(!noted(&bank, "killed").await);
    // The dead connection is not checked out again.
    database.execute(insert("next")).await.unwrap();
    assert!(noted(&bank, "next").await);
}

async fn pipelined_commit_is_all_or_nothing(bank: TestBank) {
    use neobank_db::driver::{ToSql, Type};
    const INSERT: &str = "INSERT INTO scratch.note (text) VALUES ($1)";
    let database = notes(&bank, 1).await;
    let (good, bad): ([&(dyn ToSql + Sync); 1], [&(dyn ToSql + Sync); 1]) = ([&"first"], [&5_i64]);
    // The second statement cannot be sent, so the commit behind it must not be sent.
    let transaction = database.begin().await.unwrap();
    let prepared = transaction.prepare(INSERT, &[Type::TEXT]).await.unwrap();
    let outcome = transaction
        .execute_and_commit(&[(&prepared, &good), (&prepared, &bad)])
        .await;
    assert!(
        matches!(outcome, Err(DatabaseError::Parameter { .. })),
        "{outcome:?}"
    );
    super::assert_all_come_back(&database).await;
    assert!(!noted(&bank, "first").await);

    // The server rejects the second statement.
    let transaction = database.begin().await.unwrap();
    let prepared = transaction.prepare(INSERT, &[Type::TEXT]).await.unwrap();
    let outcome = transaction
        .execute_and_commit(&[(&prepared, &good), (&prepared, &good)])
        .await;
    assert_eq!(outcome.unwrap_err().class(), ErrorClass::UniqueViolation);
    super::assert_all_come_back(&database).await;
    assert!(!noted(&bank, "first").await);

    let transaction = database.begin().await.unwrap();
    let prepared = transaction.prepare(INSERT, &[Type::TEXT]).await.unwrap();
    let second: [&(dyn ToSql + Sync); 1] = [&"second"];
    assert_eq!(
        transaction
            .execute_and_commit(&[(&prepared, &good), (&prepared, &second)])
            .await
            .unwrap(),
        [1, 1]
    );
    assert!(noted(&bank, "first").await && noted(&bank, "second").await);
}

/// The statement timeout expires while the answer to the commit is in flight: the work is
/// committed.
async fn late_answer_is_never_a_definite_failure(bank: TestBank) {
    use neobank_db::driver::{ToSql, Type};
    let proxy = CuttingProxy::before(&bank.config()).await;
    notes(&bank, 1).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.statement_timeout = Duration::from_millis(200);
    let database = Database::connect(config).await.unwrap();
    let transaction = database.begin().await.unwrap();
    let prepared = transaction
        .prepare("INSERT INTO scratch.note (text) VALUES ($1)", &[Type::TEXT])
        .await
        .unwrap();
    transaction
        .execute(statement("SELECT 1", []))
        .await
        .unwrap();
    // Longer than the statement timeout with its grace, shorter than the commit timeout.
    proxy.delay_answer_to_commit(Duration::from_secs(6));
    let late: [&(dyn ToSql + Sync); 1] = [&"late"];
    let outcome = transaction.execute_and_commit(&[(&prepared, &late)]).await;
    assert!(
        matches!(outcome, Ok(_) | Err(DatabaseError::CommitUnknown { .. })),
        "{outcome:?}"
    );
    assert!(noted(&bank, "late").await);
}

/// Nothing was sent, so the outcome is certain, and the error is the server's own reason.
async fn commit_on_a_lost_connection_is_a_definite_failure(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let superuser = bank.superuser().await;
    let transaction = database.begin().await.unwrap();
    transaction.execute(insert("gone")).await.unwrap();
    let process: i32 = transaction
        .fetch_value(statement("SELECT pg_backend_pid()", []))
        .await
        .unwrap();
    let sql = "SELECT pg_terminate_backend($1, 5000)";
    superuser
        .execute(statement(sql, [process.into()]))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = transaction.commit().await.unwrap_err();
    assert!(
        matches!(error, DatabaseError::ConnectionLost { .. }),
        "{error:?}"
    );
    assert_eq!(error.class(), ErrorClass::ServerUnavailable, "{error:?}");
    assert!(!noted(&bank, "gone").await);
}

/// A statement pipelined behind a `BEGIN` that fails would run, and stay, in autocommit mode.
async fn no_statement_runs_after_a_failed_begin(bank: TestBank) {
    use neobank_db::driver::Type;
    let proxy = CuttingProxy::before(&bank.config()).await;
    let database = through(&bank, &proxy).await;
    proxy.corrupt_begin();
    let transaction = database.begin().await.unwrap();
    let failed = transaction.execute(insert("alone")).await.unwrap_err();
    assert_eq!(failed.class(), ErrorClass::InvalidData, "{failed:?}");
    // The transaction stays failed, whatever the caller does next.
    let second = transaction.execute(insert("second")).await;
    assert!(
        matches!(second, Err(DatabaseError::TransactionAborted)),
        "{second:?}"
    );
    assert!(transaction.commit().await.is_err());

    proxy.corrupt_begin();
    let transaction = database.begin().await.unwrap();
    let (one, two) = futures_util::future::join(
        transaction.execute(insert("one")),
        transaction.execute(insert("two")),
    )
    .await;
    assert!(one.is_err() && two.is_err(), "{one:?} {two:?}");
    drop(transaction);

    // A read is pipelined with the BEGIN; it changes nothing, and it returns the failure.
    proxy.corrupt_begin();
    let transaction = database.begin().await.unwrap();
    let prepared = transaction
        .prepare("SELECT 1", &[] as &[Type])
        .await
        .unwrap();
    assert!(transaction.read_prepared(&prepared, &[]).await.is_err());
    assert!(transaction.execute(insert("third")).await.is_err());
    drop(transaction);

    // A read behind the first one does not return a success either.
    proxy.corrupt_begin();
    let transaction = database.begin().await.unwrap();
    let prepared = transaction
        .prepare("SELECT 1", &[] as &[Type])
        .await
        .unwrap();
    let (first, second) = futures_util::future::join(
        transaction.read_prepared(&prepared, &[]),
        transaction.read_prepared(&prepared, &[]),
    )
    .await;
    assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
    drop(transaction);

    super::assert_all_come_back(&database).await;
    for text in ["alone", "second", "one", "two", "third"] {
        assert!(!noted(&bank, text).await, "{text} ran on its own");
    }
    database.execute(insert("next")).await.unwrap();
}
