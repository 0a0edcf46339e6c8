//! The customer's lock from SQL, which is the same as Rust's.

use std::time::{Duration, Instant};

use neobank_db::locks::{self, LockError, LockLease, LockName};
use neobank_db::{DatabaseError, Executor, statement};
use uuid::Uuid;

use super::{assert_no_lock_left, session_lock};
use crate::harness::TestBank;

on_both_versions!(
    any_customer_can_be_locked,
    wait_lasts_for_its_timeout,
    sql_and_rust_exclude_each_other,
    invalid_arguments_are_rejected,
    release_reports_whether_the_lock_was_held,
    customers_with_a_common_prefix_have_two_locks,
);

const SECOND: Duration = Duration::from_secs(1);

async fn acquire(
    on: &impl Executor,
    customer: Uuid,
    timeout_ms: i32,
) -> Result<bool, DatabaseError> {
    let sql = "SELECT concurrency.acquire_customer_lock($1, $2)";
    on.fetch_value(statement(sql, [customer.into(), timeout_ms.into()]))
        .await
}

async fn release(on: &impl Executor, customer: Uuid) -> bool {
    let sql = "SELECT concurrency.release_customer_lock($1)";
    on.fetch_value(statement(sql, [customer.into()]))
        .await
        .unwrap()
}

async fn any_customer_can_be_locked(bank: TestBank) {
    for customer in [Uuid::nil(), Uuid::max(), Uuid::now_v7(), Uuid::from_u128(1)] {
        let transaction = bank.database.begin().await.unwrap();
        assert!(acquire(&transaction, customer, 0).await.unwrap());
        // A transaction does not wait for its own lock.
        assert!(acquire(&transaction, customer, 100).await.unwrap());
        transaction.commit().await.unwrap();
        assert_no_lock_left(&bank).await;
    }
    // The default timeout is five seconds.
    let sql = "SELECT concurrency.acquire_customer_lock($1)";
    let granted: bool = bank
        .database
        .fetch_value(statement(sql, [Uuid::now_v7().into()]))
        .await
        .unwrap();
    assert!(granted);
}

async fn wait_lasts_for_its_timeout(bank: TestBank) {
    let customer = Uuid::now_v7();
    let holder = bank.database.begin().await.unwrap();
    assert!(acquire(&holder, customer, 0).await.unwrap());
    let other = bank.database.begin().await.unwrap();
    other
        .execute(statement("SET LOCAL lock_timeout = '50ms'", []))
        .await
        .unwrap();
    for (timeout, at_least, at_most) in
        [(0, 0, 250), (1, 1, 250), (300, 290, 600), (900, 890, 1_200)]
    {
        let started = Instant::now();
        assert!(!acquire(&other, customer, timeout).await.unwrap());
        let waited = started.elapsed();
        let bounds = Duration::from_millis(at_least)..Duration::from_millis(at_most);
        assert!(bounds.contains(&waited), "{timeout} ms: {waited:?}");
    }
    let limit: String = other
        .fetch_value(statement("SELECT current_setting('lock_timeout')", []))
        .await
        .unwrap();
    assert_eq!(limit, "50ms");
    // The lock is granted as soon as it is free.
    let freeing = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        holder.commit().await.unwrap();
    });
    let started = Instant::now();
    assert!(acquire(&other, customer, 5_000).await.unwrap());
    assert!(started.elapsed() < SECOND);
    freeing.await.unwrap();
    other.commit().await.unwrap();
}

async fn sql_and_rust_exclude_each_other(bank: TestBank) {
    let customer = Uuid::now_v7();
    let name = LockName::customer(customer);
    let by_sql = bank.database.begin().await.unwrap();
    assert!(acquire(&by_sql, customer, 0).await.unwrap());
    let mut by_rust = bank.database.begin().await.unwrap();
    let names = std::slice::from_ref(&name);
    let rejected = locks::lock(&mut by_rust, names, Duration::from_millis(20)).await;
    assert!(
        matches!(rejected, Err(LockError::Timeout { .. })),
        "{rejected:?}"
    );
    by_sql.commit().await.unwrap();
    locks::lock(&mut by_rust, names, SECOND).await.unwrap();
    assert!(!acquire(&bank.database, customer, 20).await.unwrap());
    by_rust.commit().await.unwrap();
    assert!(acquire(&bank.database, customer, 20).await.unwrap());

    let lease = LockLease::acquire(&bank.database, &name, SECOND, SECOND)
        .await
        .unwrap();
    assert!(!acquire(&bank.database, customer, 20).await.unwrap());
    lease.release(&bank.database).await.unwrap();
    let session = session_lock(&bank.database, "another name").await;
    assert!(acquire(&bank.database, customer, 20).await.unwrap());
    session.release().await.unwrap();
}

async fn invalid_arguments_are_rejected(bank: TestBank) {
    for (call, sqlstate) in [
        ("acquire_customer_lock(NULL)", "22004"),
        ("acquire_customer_lock(gen_random_uuid(), NULL)", "22004"),
        ("acquire_customer_lock(gen_random_uuid(), -1)", "22023"),
        // The session's statement_timeout is 30 s.
        ("acquire_customer_lock(gen_random_uuid(), 30000)", "22023"),
        ("release_customer_lock(NULL)", "22004"),
        ("take_locks(ARRAY['a'], ARRAY['b', 'c'], 1)", "22023"),
        ("take_locks(ARRAY['a', NULL], ARRAY['b', 'c'], 1)", "22004"),
        ("take_locks(ARRAY[''], ARRAY['b'], 1)", "23514"),
        (
            "take_locks(ARRAY['a'], ARRAY[repeat('b', 256)], 1)",
            "23514",
        ),
        ("renew_lease('a', 'b', NULL, 1, 1)", "22004"),
        ("release_lease('a', 'b', NULL, 1)", "22004"),
        ("acquire_lease('a', 'b', NULL, 1)", "22004"),
        ("acquire_lease('a', 'b', gen_random_uuid(), 0)", "22023"),
    ] {
        let sql = format!("SELECT concurrency.{call}");
        let error = bank
            .database
            .execute(statement(&sql, []))
            .await
            .unwrap_err();
        let server = error
            .server()
            .unwrap_or_else(|| panic!("{call}: {error:?}"));
        assert_eq!(server.sqlstate, sqlstate, "{call}: {error}");
    }
    // A reader lacks the privilege.
    let mut config = neobank_db::DatabaseConfig::from_url(bank.url()).unwrap();
    config.role = Some("neobank_read".to_owned());
    let reader = neobank_db::Database::connect(config).await.unwrap();
    let error = acquire(&reader, Uuid::now_v7(), 0).await.unwrap_err();
    assert_eq!(error.class(), neobank_db::ErrorClass::InsufficientPrivilege);
    locks::held_locks(&reader).await.unwrap();
}

async fn release_reports_whether_the_lock_was_held(bank: TestBank) {
    let customer = Uuid::now_v7();
    let transaction = bank.database.begin().await.unwrap();
    assert!(!release(&transaction, customer).await);
    assert!(acquire(&transaction, customer, 0).await.unwrap());
    let other = bank.database.begin().await.unwrap();
    assert!(!release(&other, customer).await, "it is not the other's");
    assert!(release(&transaction, customer).await);
    // The lock is free when the transaction ends, and not before.
    assert!(!acquire(&other, customer, 0).await.unwrap());
    transaction.commit().await.unwrap();
    assert!(acquire(&other, customer, 0).await.unwrap());
    // In autocommit mode the lock ends with its statement.
    assert!(acquire(&bank.database, Uuid::nil(), 0).await.unwrap());
    assert!(!release(&bank.database, Uuid::nil()).await);
}

async fn customers_with_a_common_prefix_have_two_locks(bank: TestBank) {
    let base = Uuid::now_v7().as_u128();
    let one = bank.database.begin().await.unwrap();
    let two = bank.database.begin().await.unwrap();
    assert!(acquire(&one, Uuid::from_u128(base), 0).await.unwrap());
    assert!(acquire(&two, Uuid::from_u128(base ^ 1), 0).await.unwrap());
    assert!(!acquire(&two, Uuid::from_u128(base), 0).await.unwrap());
}
