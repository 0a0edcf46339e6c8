//! A request that makes a statement fail does not affect the others.

use std::time::Duration;

use neobank_db::{Database, ErrorClass, Executor, statement};
use neobank_domain::{AccountId, LedgerError, TransferRequest};

use super::{as_one_batch, ask, one_worker, until};
use crate::harness::{CountingProxy, TestBank, czk, lock_account, single};

on_both_versions!(
    request_that_the_database_rejects_fails_alone,
    isolation_of_a_rejected_request_costs_the_same_in_any_batch,
    request_that_fails_at_commit_fails_alone,
    used_key_without_a_readable_transfer_fails_its_own_request,
    kept_lock_fails_only_requests_that_need_it,
    error_of_the_whole_server_fails_all_requests_at_once,
);

/// Removes the trigger of [`poison`], which the audit would report.
pub(in crate::ledger) async fn cure(bank: &TestBank, account: AccountId) {
    let name = account.as_uuid().simple().to_string();
    let sql = format!("DROP FUNCTION public.poison_{name}() CASCADE");
    let superuser = bank.superuser().await;
    superuser.execute(statement(&sql, [])).await.unwrap();
}

/// Adds a trigger that rejects every entry of an account.
pub(in crate::ledger) async fn poison(bank: &TestBank, account: AccountId, sqlstate: &str) {
    let superuser = bank.superuser().await;
    let name = account.as_uuid().simple().to_string();
    for sql in [
        format!(
            "CREATE FUNCTION public.poison_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE EXCEPTION 'poisoned' USING ERRCODE = '{sqlstate}';
             END $$"
        ),
        format!(
            "CREATE TRIGGER poison_{name} BEFORE INSERT ON banking.transactions FOR EACH ROW
             WHEN (NEW.account_id = '{account}') EXECUTE FUNCTION public.poison_{name}()"
        ),
    ] {
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
}

async fn request_that_the_database_rejects_fails_alone(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let poisoned = bank.account(czk("0")).await;
    poison(&bank, poisoned, "23514").await;
    let grouped = one_worker(&bank.ledger);
    let is_poisoned = |number: usize| [0, 17, 18, 63, 99].contains(&number);
    let requests = (0..100).map(|number| {
        let to = if is_poisoned(number) { poisoned } else { to };
        TransferRequest::new(from, to, czk("1")).with_idempotency_key(format!("poison {number}"))
    });
    let outcomes = as_one_batch(&bank, &grouped, requests.collect()).await;
    let mut before = 0;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(receipt) => {
                assert!(!is_poisoned(number));
                // The order of arrival is kept.
                assert_eq!(receipt.credit.entry_number, before + 1);
                before = receipt.credit.entry_number;
            }
            Err(LedgerError::Database(error)) => {
                assert!(is_poisoned(number), "{number}: {error:?}");
                assert_eq!(error.class(), ErrorClass::CheckViolation);
            }
            other => panic!("{number}: {other:?}"),
        }
        let there = super::with_idempotency_key(&bank, &format!("poison {number}")).await;
        assert_eq!(there, i64::from(!is_poisoned(number)));
    }
    assert_eq!(bank.balance(to).await, czk("95"));
    assert_eq!(grouped.group_commit_metrics().splits, 1);
    cure(&bank, poisoned).await;
    bank.assert_sound().await;
}

/// Returns the round trips of a batch of a size, with a poisoned request at each of the indexes.
async fn round_trips(bank: &TestBank, size: usize, places: &[usize], poisoned: AccountId) -> u32 {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let mut config = bank.config();
    let proxy = CountingProxy::before(config.clone()).await;
    proxy.stand_before(&mut config);
    config.pool_max = 1;
    let grouped = one_worker(&single(Database::connect(config).await.unwrap()));
    let requests = (0..size).map(|number| {
        let is_poisoned = places.contains(&number);
        let to = if is_poisoned { poisoned } else { to };
        TransferRequest::new(from, to, czk("1"))
    });
    let outcomes = as_one_batch(bank, &grouped, requests.collect()).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_err(), places.contains(&number), "{outcome:?}");
    }
    let carried_out = size - places.len();
    assert_eq!(bank.balance(to).await, czk(&carried_out.to_string()));
    proxy.round_trips()
}

async fn isolation_of_a_rejected_request_costs_the_same_in_any_batch(bank: TestBank) {
    let poisoned = bank.account(czk("0")).await;
    poison(&bank, poisoned, "23514").await;
    let few = round_trips(&bank, 8, &[3], poisoned).await;
    let many = round_trips(&bank, 400, &[273], poisoned).await;
    assert_eq!(few, many);
    let without = round_trips(&bank, 400, &[], poisoned).await;
    // The round trips isolate the request and decide again on those after it.
    assert!(many <= without + 10, "{many} beside {without}");
    let several = round_trips(&bank, 400, &[0, 100, 101, 273, 399], poisoned).await;
    // All requests share the payer, so each round decides again behind the next poisoned one.
    assert!(several <= many + 4, "{several} beside {many}");
    cure(&bank, poisoned).await;
    bank.assert_sound().await;
}

async fn request_that_fails_at_commit_fails_alone(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let poisoned = bank.account(czk("0")).await;
    poison(&bank, poisoned, "P0001").await;
    let name = poisoned.as_uuid().simple();
    let superuser = bank.superuser().await;
    for sql in [
        format!("DROP TRIGGER poison_{name} ON banking.transactions"),
        format!(
            "CREATE CONSTRAINT TRIGGER poison_{name} AFTER INSERT ON banking.transactions
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.account_id = '{poisoned}')
             EXECUTE FUNCTION public.poison_{name}()"
        ),
    ] {
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
    let grouped = one_worker(&bank.ledger);
    let requests = (0..20).map(|number| {
        let to = if number == 7 { poisoned } else { to };
        TransferRequest::new(from, to, czk("1"))
    });
    let outcomes = as_one_batch(&bank, &grouped, requests.collect()).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_err(), number == 7, "{number}: {outcome:?}");
    }
    assert_eq!(bank.balance(to).await, czk("19"));
    assert_eq!(grouped.group_commit_metrics().splits, 1);
    cure(&bank, poisoned).await;
    bank.assert_sound().await;
}

/// A transfer without entries: only a role that may disable triggers can insert one.
async fn used_key_without_a_readable_transfer_fails_its_own_request(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let superuser = bank.superuser().await;
    for sql in [
        "ALTER TABLE banking.transfers DISABLE TRIGGER USER".to_owned(),
        format!(
            "INSERT INTO banking.transfers
                 (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number, to_entry_number,
                  amount, currency_code, idempotency_key, request_hash, posted_at)
             VALUES ('00000000-0000-7000-8000-000000000001', 'transfer', '{from}', '{to}', 900, 900, 1, 'CZK', 'burnt',
                     sha256(''), now())"
        ),
    ] {
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
    let grouped = one_worker(&bank.ledger);
    let requests = (0..40).map(|number| {
        let key = if number == 21 {
            "burnt".to_owned()
        } else {
            number.to_string()
        };
        TransferRequest::new(from, to, czk("1")).with_idempotency_key(key)
    });
    let outcomes = as_one_batch(&bank, &grouped, requests.collect()).await;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(_) => assert_ne!(number, 21),
            Err(LedgerError::Database(error)) => {
                assert_eq!(number, 21, "{error:?}");
                assert_eq!(error.constraint(), Some("transfers_idempotency_key_key"));
            }
            other => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(bank.balance(to).await, czk("39"));
    for sql in [
        "DELETE FROM banking.transfers WHERE idempotency_key = 'burnt'",
        "ALTER TABLE banking.transfers ENABLE TRIGGER USER",
        "ALTER TABLE banking.transfers ENABLE ALWAYS TRIGGER transfers_append_only",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    bank.assert_sound().await;
}

async fn kept_lock_fails_only_requests_that_need_it(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let locked = bank.account(czk("0")).await;
    let mut config = bank.config();
    config.lock_timeout = Duration::from_millis(400);
    let ledger = single(Database::connect(config).await.unwrap());
    let grouped = one_worker(&ledger);
    let holder = bank.database.begin().await.unwrap();
    lock_account(&holder, locked).await;
    let callers: Vec<_> = (0..40)
        .map(|number| {
            let to = if number % 10 == 3 { locked } else { to };
            ask(&grouped, TransferRequest::new(from, to, czk("1")))
        })
        .collect();
    for (number, caller) in callers.into_iter().enumerate() {
        match caller.await.unwrap() {
            Ok(_) => assert_ne!(number % 10, 3),
            Err(LedgerError::Database(error)) => {
                assert_eq!(number % 10, 3, "{error:?}");
                assert_eq!(error.class(), ErrorClass::LockTimeout);
            }
            other => panic!("{number}: {other:?}"),
        }
    }
    holder.rollback().await.unwrap();
    assert_eq!(bank.balance(to).await, czk("36"));
    assert_eq!(bank.balance(locked).await, czk("0"));
    bank.assert_sound().await;
}

async fn error_of_the_whole_server_fails_all_requests_at_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    // SQLSTATE 53100: the disk is full.
    poison(&bank, to, "53100").await;
    let grouped = one_worker(&bank.ledger);
    let requests = vec![TransferRequest::new(from, to, czk("1")); 50];
    let outcomes = as_one_batch(&bank, &grouped, requests).await;
    for outcome in outcomes {
        match outcome {
            Err(LedgerError::Database(error)) => {
                assert_eq!(error.class(), ErrorClass::InsufficientResources);
            }
            other => panic!("{other:?}"),
        }
    }
    let metrics = grouped.group_commit_metrics();
    assert_eq!((metrics.batches, metrics.splits), (2, 0));
    until(|| grouped.group_commit_metrics().workers == 0).await;
    cure(&bank, to).await;
    bank.assert_sound().await;
}
