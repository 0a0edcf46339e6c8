//! A request that makes a statement fail fails alone.

use std::time::Duration;

use neobank_db::{Database, ErrorClass, Executor, statement};
use neobank_domain::{AccountId, LedgerError, TransferRequest};

use super::{as_one_group, lock, one_lane, until};
use crate::harness::{CountingProxy, TestBank, czk, single};

on_both_versions!(
    what_the_database_refuses_is_found_and_the_others_are_carried_out,
    what_the_database_refuses_is_found_among_many_in_as_many_round_trips_as_among_few,
    what_a_constraint_refuses_at_the_commit_is_found,
    a_key_that_is_taken_and_cannot_be_found_fails_its_own_request_alone,
    a_lock_that_somebody_keeps_fails_only_those_who_need_it,
    what_concerns_everybody_is_told_to_everybody_at_once,
);

/// Takes away what [`poison`] made, which the audit would find.
pub(super) async fn cure(bank: &TestBank, account: AccountId) {
    let name = account.as_uuid().simple().to_string();
    let sql = format!("DROP FUNCTION public.poison_{name}() CASCADE");
    let superuser = bank.superuser().await;
    superuser.execute(statement(&sql, [])).await.unwrap();
}

/// From now on the database refuses every entry of an account, whoever writes it.
pub(super) async fn poison(bank: &TestBank, account: AccountId, sqlstate: &str) {
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

async fn what_the_database_refuses_is_found_and_the_others_are_carried_out(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let poisoned = bank.account(czk("0")).await;
    poison(&bank, poisoned, "23514").await;
    let gathered = one_lane(&bank.ledger);
    let is_poisoned = |number: usize| [0, 17, 18, 63, 99].contains(&number);
    let requests = (0..100).map(|number| {
        let to = if is_poisoned(number) { poisoned } else { to };
        TransferRequest::new(from, to, czk("1")).with_idempotency_key(format!("poison {number}"))
    });
    let outcomes = as_one_group(&bank, &gathered, requests.collect()).await;
    let mut before = 0;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(receipt) => {
                assert!(!is_poisoned(number));
                // Still in the order of arrival.
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
    assert_eq!(gathered.group_commit_metrics().splits, 1);
    cure(&bank, poisoned).await;
    bank.assert_sound().await;
}

/// How often the server is spoken to for one group of so many, with a poisoned request in each of the places.
async fn round_trips(bank: &TestBank, size: usize, places: &[usize], poisoned: AccountId) -> u32 {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let mut config = bank.config();
    let proxy = CountingProxy::before(config.clone()).await;
    proxy.stand_before(&mut config);
    config.pool_max = 1;
    let gathered = one_lane(&single(Database::connect(config).await.unwrap()));
    let requests = (0..size).map(|number| {
        let is_poisoned = places.contains(&number);
        let to = if is_poisoned { poisoned } else { to };
        TransferRequest::new(from, to, czk("1"))
    });
    let outcomes = as_one_group(bank, &gathered, requests.collect()).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_err(), places.contains(&number), "{outcome:?}");
    }
    let carried_out = size - places.len();
    assert_eq!(bank.balance(to).await, czk(&carried_out.to_string()));
    proxy.round_trips()
}

async fn what_the_database_refuses_is_found_among_many_in_as_many_round_trips_as_among_few(
    bank: TestBank,
) {
    let poisoned = bank.account(czk("0")).await;
    poison(&bank, poisoned, "23514").await;
    let few = round_trips(&bank, 8, &[3], poisoned).await;
    let many = round_trips(&bank, 400, &[273], poisoned).await;
    assert_eq!(few, many);
    let without = round_trips(&bank, 400, &[], poisoned).await;
    // To find it, and to decide again on what comes after it.
    assert!(many <= without + 10, "{many} beside {without}");
    let several = round_trips(&bank, 400, &[0, 100, 101, 273, 399], poisoned).await;
    // All of them have the payer, so that each round decides again on what comes behind the next of them.
    assert!(several <= many + 4, "{several} beside {many}");
    cure(&bank, poisoned).await;
    bank.assert_sound().await;
}

async fn what_a_constraint_refuses_at_the_commit_is_found(bank: TestBank) {
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
    let gathered = one_lane(&bank.ledger);
    let requests = (0..20).map(|number| {
        let to = if number == 7 { poisoned } else { to };
        TransferRequest::new(from, to, czk("1"))
    });
    let outcomes = as_one_group(&bank, &gathered, requests.collect()).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_err(), number == 7, "{number}: {outcome:?}");
    }
    assert_eq!(bank.balance(to).await, czk("19"));
    assert_eq!(gathered.group_commit_metrics().splits, 1);
    cure(&bank, poisoned).await;
    bank.assert_sound().await;
}

/// A transfer that has no entries cannot come about but by a role that may disable the guards.
async fn a_key_that_is_taken_and_cannot_be_found_fails_its_own_request_alone(bank: TestBank) {
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
    let gathered = one_lane(&bank.ledger);
    let requests = (0..40).map(|number| {
        let key = if number == 21 {
            "burnt".to_owned()
        } else {
            number.to_string()
        };
        TransferRequest::new(from, to, czk("1")).with_idempotency_key(key)
    });
    let outcomes = as_one_group(&bank, &gathered, requests.collect()).await;
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

async fn a_lock_that_somebody_keeps_fails_only_those_who_need_it(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let locked = bank.account(czk("0")).await;
    let mut config = bank.config();
    config.lock_timeout = Duration::from_millis(400);
    let ledger = single(Database::connect(config).await.unwrap());
    let gathered = one_lane(&ledger);
    let stranger = bank.database.begin().await.unwrap();
    lock(&stranger, locked).await;
    let callers: Vec<_> = (0..40)
        .map(|number| {
            let to = if number % 10 == 3 { locked } else { to };
            let (gathered, request) = (gathered.clone(), TransferRequest::new(from, to, czk("1")));
            tokio::spawn(async move { gathered.transfer(request).await })
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
    stranger.rollback().await.unwrap();
    assert_eq!(bank.balance(to).await, czk("36"));
    assert_eq!(bank.balance(locked).await, czk("0"));
    bank.assert_sound().await;
}

async fn what_concerns_everybody_is_told_to_everybody_at_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    // No room on the disk.
    poison(&bank, to, "53100").await;
    let gathered = one_lane(&bank.ledger);
    let requests = vec![TransferRequest::new(from, to, czk("1")); 50];
    let outcomes = as_one_group(&bank, &gathered, requests).await;
    for outcome in outcomes {
        match outcome {
            Err(LedgerError::Database(error)) => {
                assert_eq!(error.class(), ErrorClass::InsufficientResources);
            }
            other => panic!("{other:?}"),
        }
    }
    let metrics = gathered.group_commit_metrics();
    assert_eq!((metrics.groups, metrics.splits), (2, 0));
    until(|| gathered.group_commit_metrics().workers == 0).await;
    cure(&bank, to).await;
    bank.assert_sound().await;
}
