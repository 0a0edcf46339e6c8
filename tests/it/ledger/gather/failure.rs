//! A request that makes a statement fail fails alone.

use std::time::Duration;

use neobank_db::{Database, ErrorClass, Executor, statement};
use neobank_domain::{AccountId, Ledger, LedgerError, TransferRequest};

use super::{as_one_group, lock, one_lane, until};
use crate::harness::{TestBank, czk};

on_both_versions!(
    what_the_database_refuses_is_found_and_the_others_are_carried_out,
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
        TransferRequest::new(from, to, czk("1")).with_key(format!("poison {number}"))
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
        let there = super::with_key(&bank, &format!("poison {number}")).await;
        assert_eq!(there, i64::from(!is_poisoned(number)));
    }
    assert_eq!(bank.balance(to).await, czk("95"));
    let splits = gathered.metrics().splits;
    assert!((5..=50).contains(&splits), "{splits}");
    cure(&bank, poisoned).await;
    bank.assert_sound().await;
}

async fn a_lock_that_somebody_keeps_fails_only_those_who_need_it(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let locked = bank.account(czk("0")).await;
    let mut config = bank.config();
    config.lock_timeout = Duration::from_millis(400);
    let ledger = Ledger::new(Database::connect(config).await.unwrap());
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
    let metrics = gathered.metrics();
    assert_eq!((metrics.groups, metrics.splits), (2, 0));
    until(|| gathered.metrics().lanes == 0).await;
    cure(&bank, to).await;
    bank.assert_sound().await;
}
