//! Names, their keys and the registry.

use std::time::Duration;

use neobank_db::locks::{self, FencingToken, LockError, LockName, held_locks};
use neobank_db::{
    DatabaseError, ErrorClass, Executor, IsolationLevel, Transaction, TransactionOptions, statement,
};
use uuid::Uuid;

use super::{name, session_lock, until_waiting, watcher};
use crate::harness::TestBank;

on_both_versions!(
    rust_and_sql_compute_the_same_keys,
    names_outside_their_limits_are_rejected,
    held_key_is_resolved_to_its_name,
    key_collision_is_detected,
    key_collision_is_detected_by_a_session,
    application_cannot_set_a_token,
    unused_names_are_deleted_and_tokens_continue,
    older_transaction_gets_a_higher_token_too,
);

async fn rust_and_sql_compute_the_same_keys(bank: TestBank) {
    let mut names = vec![
        LockName::customer(Uuid::nil()),
        LockName::new("a", "bc").unwrap(),
        LockName::new("ab", "c").unwrap(),
        LockName::new("Ústí", "nad Labem 🏦 \\ ' \" \n").unwrap(),
        LockName::new("x".repeat(63), "y".repeat(255)).unwrap(),
        LockName::new("é".repeat(63), "🏦".repeat(255)).unwrap(),
    ];
    // A simple generator suffices, because it covers bytes of every kind and length.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..500 {
        names.push(LockName::customer(Uuid::now_v7()));
        let mut text = |limit| {
            (0..=random(limit))
                .map(|_| char::from_u32(1 + random(0x2fff) as u32).unwrap_or('ž'))
                .collect::<String>()
        };
        names.push(LockName::new(text(62), text(254)).unwrap());
    }
    let namespaces: Vec<String> = names.iter().map(|n| n.namespace().to_owned()).collect();
    let identifiers: Vec<String> = names.iter().map(|n| n.identifier().to_owned()).collect();
    let sql = "SELECT concurrency.lock_key(n, i) FROM unnest($1, $2) WITH ORDINALITY AS name (n, i, o) ORDER BY o";
    let keys: Vec<i64> = bank
        .database
        .query(statement(sql, [namespaces.into(), identifiers.into()]))
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let ours: Vec<i64> = names.iter().map(LockName::key).collect();
    assert_eq!(ours, keys);
    assert!(keys.iter().any(|key| *key < 0) && keys.iter().any(|key| *key > 0));
    assert_ne!(keys[1], keys[2], "the parts are distinguished");
}

async fn names_outside_their_limits_are_rejected(_: TestBank) {
    for (namespace, identifier, field) in [
        ("", "a", "namespace"),
        (&*"n".repeat(64), "a", "namespace"),
        ("a\0b", "a", "namespace"),
        ("a", "", "identifier"),
        ("a", &*"i".repeat(256), "identifier"),
        ("a", "\0", "identifier"),
    ] {
        let error = LockName::new(namespace, identifier).unwrap_err();
        assert_eq!(error.field, field);
        let given = if field == "namespace" {
            namespace
        } else {
            identifier
        };
        assert!(given.starts_with(&error.value), "{error}");
    }
}

async fn held_key_is_resolved_to_its_name(bank: TestBank) {
    let mut holder = bank.database.begin().await.unwrap();
    let held = [name("held before")];
    locks::lock(&mut holder, &held, Duration::from_secs(20))
        .await
        .unwrap();
    holder.commit().await.unwrap();

    let mut holder = bank.database.begin().await.unwrap();
    let pid: i32 = holder
        .fetch_value(statement("SELECT pg_backend_pid()", []))
        .await
        .unwrap();
    locks::lock(&mut holder, &held, Duration::from_secs(20))
        .await
        .unwrap();
    let database = bank.database.clone();
    let waiting = tokio::spawn(async move {
        let mut waiter = database.begin().await?;
        locks::lock(&mut waiter, &[name("held before")], Duration::from_secs(5)).await?;
        waiter.commit().await?;
        Ok::<_, LockError>(())
    });
    until_waiting(&bank, 1).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    // Also as the application, which is not a superuser.
    let seen = held_locks(&bank.database).await.unwrap();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(
        seen.iter()
            .all(|lock| lock.name == Some(name("held before"))
                && lock.key == name("held before").key()
                && lock.mode == "ExclusiveLock")
    );
    assert!(seen[0].granted && seen[0].process_id == pid && seen[0].waiting_since.is_none());
    assert!(!seen[1].granted && seen[1].process_id != pid && seen[1].waiting_since.is_some());
    holder.commit().await.unwrap();
    waiting.await.unwrap().unwrap();

    // A lock that was not acquired by name has none, and two keys of 32 bits are another lock.
    let stranger = bank.superuser().await.begin().await.unwrap();
    stranger
        .execute(statement(
            "SELECT pg_advisory_xact_lock(-7), pg_advisory_xact_lock(1, 2)",
            [],
        ))
        .await
        .unwrap();
    let seen = held_locks(&bank.database).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].key, &seen[0].name), (-7, &None));
}

/// Gives this key another name in the registry.
async fn rename(bank: &TestBank, known: &LockName) {
    let sql = "INSERT INTO concurrency.lock_names (lock_key, namespace, identifier, fencing_token)
               VALUES ($1, 'test', 'another', 41)";
    watcher(bank)
        .await
        .execute(statement(sql, [known.key().into()]))
        .await
        .unwrap();
}

fn assert_collision<T: std::fmt::Debug>(outcome: Result<T, LockError>) {
    let Err(LockError::Collision {
        name: wanted,
        known,
    }) = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!((wanted, known), (name("collides"), name("another")));
}

async fn key_collision_is_detected(bank: TestBank) {
    rename(&bank, &name("collides")).await;
    let mut transaction = bank.database.begin().await.unwrap();
    let names = [name("a"), name("collides"), name("b")];
    assert_collision(locks::lock(&mut transaction, &names, Duration::from_secs(1)).await);
    assert_collision(locks::try_lock(&mut transaction, &names).await);
    // Nothing of the set is held, no token was spent, and the transaction continues.
    assert_eq!(held_locks(&transaction).await.unwrap(), []);
    let token: i64 = transaction
        .fetch_value(statement(
            "SELECT sum(fencing_token)::bigint FROM concurrency.lock_names",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(token, 41);
    transaction.commit().await.unwrap();
}

async fn key_collision_is_detected_by_a_session(bank: TestBank) {
    rename(&bank, &name("collides")).await;
    let outcome = locks::SessionLock::acquire(
        &bank.database,
        &[name("collides")],
        &locks::SessionLockOptions::default(),
    )
    .await;
    assert_collision(outcome);
    super::assert_no_lock_left(&bank).await;
    session_lock(&bank.database, "another one")
        .await
        .release()
        .await
        .unwrap();
}

async fn application_cannot_set_a_token(bank: TestBank) {
    for sql in [
        "UPDATE concurrency.lock_names SET fencing_token = 0",
        "DELETE FROM concurrency.lock_names",
        "INSERT INTO concurrency.lock_names (lock_key, namespace, identifier) VALUES (1, 'a', 'b')",
        "INSERT INTO concurrency.lock_leases (lock_key, holder, fencing_token, expires_at)
         VALUES (1, gen_random_uuid(), 1, now())",
        "UPDATE concurrency.lock_leases SET expires_at = now()",
    ] {
        let error: DatabaseError = bank.database.execute(statement(sql, [])).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::InsufficientPrivilege, "{sql}");
    }
}

async fn token(transaction: &mut Transaction, name: &LockName) -> FencingToken {
    let names = std::slice::from_ref(name);
    let held = locks::lock(transaction, names, Duration::from_secs(5))
        .await
        .unwrap();
    held.fencing_token(name).unwrap()
}

/// Locks a name and releases it.
async fn spend(bank: &TestBank, name: &LockName) -> FencingToken {
    let mut transaction = bank.database.begin().await.unwrap();
    let token = token(&mut transaction, name).await;
    transaction.commit().await.unwrap();
    token
}

async fn unused_names_are_deleted_and_tokens_continue(bank: TestBank) {
    let (idle, held, leased) = (name("idle"), name("held"), name("leased"));
    spend(&bank, &idle).await;
    let old = spend(&bank, &idle).await;
    let mut holder = bank.database.begin().await.unwrap();
    let token_held = token(&mut holder, &held).await;
    let long = Duration::from_secs(600);
    let lease = locks::LockLease::acquire(&bank.database, &leased, long, long)
        .await
        .unwrap();

    assert_eq!(
        locks::delete_names(&bank.database, long).await.unwrap(),
        0,
        "too young"
    );
    assert_eq!(
        locks::delete_names(&bank.database, Duration::ZERO)
            .await
            .unwrap(),
        1
    );
    // The holder's own row is not committed yet.
    assert_eq!(bank.count("concurrency.lock_names").await, 1);
    // The earlier holder is rejected, before and after the next holder acquires the name.
    let checked = bank.database.begin().await.unwrap();
    let stale = locks::check_fencing_token(&checked, &idle, old)
        .await
        .unwrap_err();
    assert!(
        matches!(stale, LockError::StaleToken { newest: None, .. }),
        "{stale}"
    );
    checked.commit().await.unwrap();
    let next = spend(&bank, &idle).await;
    assert!(next > old, "{next} after {old}");
    assert!(spend(&bank, &name("new")).await > old);
    // The tokens of the held names are unchanged.
    locks::check_fencing_token(&holder, &held, token_held)
        .await
        .unwrap();
    locks::check_fencing_token(&holder, &leased, lease.fencing_token())
        .await
        .unwrap();
    holder.commit().await.unwrap();
}

/// The snapshot of the transaction still contains the deleted row.
async fn older_transaction_gets_a_higher_token_too(bank: TestBank) {
    let idle = name("idle");
    spend(&bank, &idle).await;
    let old = spend(&bank, &idle).await;
    let options = TransactionOptions::default().with_isolation(IsolationLevel::RepeatableRead);
    let mut early = bank.database.begin_with(options).await.unwrap();
    let seen = "SELECT count(*) FROM concurrency.lock_names";
    assert_eq!(
        early.fetch_value::<i64>(statement(seen, [])).await.unwrap(),
        1
    );
    assert_eq!(
        locks::delete_names(&bank.database, Duration::ZERO)
            .await
            .unwrap(),
        1
    );
    let next = token(&mut early, &idle).await;
    assert!(next > old, "{next} after {old}");
    early.commit().await.unwrap();
}
