//! Limits of accounts: by transfer, day and hours, under load and against outdated caches.

use neobank_db::{Executor, FromRow, statement};
use neobank_domain::accounts::limits::{self, AccountLimit, Window};
use neobank_domain::ledger::{
    CaptureRequest, GroupRequest, HoldRequest, LedgerError, Outcome, Rejection,
};
use neobank_domain::{AccountId, Ledger, PostingRequest, Request, TransferRequest};
use neobank_entity::enums::EntryType;
use neobank_entity::functions::banking::LimitUses;
use rust_decimal::Decimal;

use crate::harness::{TestBank, czk, grouped, single};
use crate::statements::{account_in, post, time};

on_both_versions!(
    limit_of_a_day_is_shared_by_64_callers,
    outdated_cache_does_not_pass_a_new_limit,
    group_above_a_limit_posts_nothing,
    capture_counts_and_hold_does_not,
    removed_limit_counts_no_more,
    day_ends_at_midnight_in_the_zone_of_the_account,
    day_without_midnight_begins_at_its_first_moment,
    transfer_obeys_the_limit_in_force,
);

async fn limited(bank: &TestBank, window: Window, amount: &str) -> [AccountId; 2] {
    let accounts = [
        bank.account(czk("1000")).await,
        bank.account(czk("1000")).await,
    ];
    let limit = AccountLimit::new(EntryType::Debit, window, czk(amount));
    limits::set(&bank.database, accounts[0], &limit)
        .await
        .unwrap();
    accounts
}

async fn submit(ledger: &Ledger, request: Request) -> Outcome {
    ledger.submit_all(&[request]).await.unwrap().remove(0)
}

#[track_caller]
fn assert_posted(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Posted(_)), "{outcome:?}");
}

#[track_caller]
fn assert_exceeded(outcome: &Outcome) {
    let Outcome::Rejected(rejection) = outcome else {
        panic!("{outcome:?}")
    };
    let rejection = match rejection {
        Rejection::GroupStep { reason, .. } => reason,
        other => other,
    };
    assert!(
        matches!(rejection, Rejection::LimitExceeded { .. }),
        "{rejection:?}"
    );
}

async fn limit_of_a_day_is_shared_by_64_callers(bank: TestBank) {
    let [from, to] = limited(&bank, Window::Rolling(24), "100").await;
    let ledger = grouped(&bank.ledger);
    let other = grouped(&single(bank.database.clone()));
    let calls = (0..64_u8).map(|number| {
        let ledger = if number % 2 == 0 {
            ledger.clone()
        } else {
            other.clone()
        };
        tokio::spawn(async move {
            ledger
                .submit(TransferRequest::new(from, to, czk("7")))
                .await
        })
    });
    let mut posted = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(_) => posted += 1,
            Err(LedgerError::Rejected(Rejection::LimitExceeded { .. })) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(posted, 14);
    let uses = limits::list(&bank.database, from).await.unwrap();
    assert_eq!(uses[0].used, czk("98"));
    assert_eq!(uses[0].remaining, czk("2"));
    bank.assert_sound().await;
}

async fn outdated_cache_does_not_pass_a_new_limit(bank: TestBank) {
    let accounts = [
        bank.account(czk("100")).await,
        bank.account(czk("100")).await,
    ];
    let [from, to] = accounts;
    let transfer = || Request::from(TransferRequest::new(from, to, czk("10")));
    let ledgers = [bank.ledger.clone(), single(bank.database.clone())];
    for ledger in &ledgers {
        assert_posted(&submit(ledger, transfer()).await);
    }
    let limit = AccountLimit::new(EntryType::Debit, Window::Day, czk("25"));
    limits::set(&bank.database, from, &limit).await.unwrap();
    for ledger in &ledgers {
        assert_exceeded(&submit(ledger, transfer()).await);
    }
    bank.assert_sound().await;
}

async fn group_above_a_limit_posts_nothing(bank: TestBank) {
    let [from, to] = limited(&bank, Window::Day, "15").await;
    let step = || Request::from(TransferRequest::new(from, to, czk("10")));
    let outcomes = bank
        .ledger
        .submit_all(&[
            GroupRequest::new()
                .with_step(step())
                .with_step(step())
                .into(),
            step(),
            step(),
        ])
        .await
        .unwrap();
    assert_exceeded(&outcomes[0]);
    assert_posted(&outcomes[1]);
    assert_exceeded(&outcomes[2]);
    assert_eq!(bank.balance(from).await, czk("990"));
}

async fn capture_counts_and_hold_does_not(bank: TestBank) {
    let [from, to] = limited(&bank, Window::Day, "15").await;
    let mut holds = Vec::new();
    for _ in 0..2 {
        let hold = bank.ledger.hold(HoldRequest::new(from, czk("10"))).await;
        holds.push(hold.unwrap().hold_id);
    }
    let capture = |hold| Request::from(CaptureRequest::new(hold).with_destination(to));
    assert_posted(&submit(&bank.ledger, capture(holds[0])).await);
    assert_exceeded(&submit(&bank.ledger, capture(holds[1])).await);
    bank.assert_sound().await;
}

async fn removed_limit_counts_no_more(bank: TestBank) {
    let [from, _] = limited(&bank, Window::Transfer, "5").await;
    let withdrawal = || Request::from(PostingRequest::withdrawal(from, czk("6")));
    assert_exceeded(&submit(&bank.ledger, withdrawal()).await);
    let remove = || {
        limits::remove(
            &bank.database,
            from,
            EntryType::Debit,
            None,
            Window::Transfer,
        )
    };
    assert!(remove().await.unwrap());
    assert!(!remove().await.unwrap());
    assert_posted(&submit(&bank.ledger, withdrawal()).await);
    bank.assert_sound().await;
}

/// Sets a limit of 100 a day on what leaves a new account, and returns the account.
async fn limited_in(bank: &TestBank, zone: &str) -> AccountId {
    let account = account_in(bank, zone).await;
    let limit = AccountLimit::new(EntryType::Debit, Window::Day, czk("100"));
    limits::set(&bank.database, account, &limit).await.unwrap();
    account
}

/// Withdraws 60 at each time. The database accepts or rejects each, as expected.
async fn withdraw_at(bank: &TestBank, account: AccountId, times: &[(&str, bool)]) {
    for (at, is_accepted) in times {
        let withdrawal = PostingRequest::withdrawal(account, czk("60")).effective_at(time(at));
        match bank.ledger.submit_all(&[withdrawal.into()]).await {
            Ok(outcomes) => {
                assert_posted(&outcomes[0]);
                assert!(is_accepted, "{at}");
            }
            Err(error) => {
                assert!(error.to_string().contains("exceeds its limit"), "{error}");
                assert!(!is_accepted, "{at}: {error}");
            }
        }
    }
}

#[derive(FromRow)]
struct UseAt {
    used: Decimal,
    ends_at: Option<chrono::DateTime<chrono::Utc>>,
}

async fn assert_used(bank: &TestBank, account: AccountId, at: &str, used: &str, ends_at: &str) {
    let call = LimitUses {
        account_id: vec![account.as_uuid()],
        at: time(at),
    };
    let found: Option<UseAt> = bank.database.fetch_one(call.statement()).await.unwrap();
    let found = found.unwrap();
    assert_eq!(found.used, used.parse().unwrap(), "{at}");
    assert_eq!(found.ends_at, Some(time(ends_at)), "{at}");
}

/// A day of 24 hours, one of 25 and one of 23, as the clocks of Prague change.
async fn day_ends_at_midnight_in_the_zone_of_the_account(bank: TestBank) {
    for (starts, last, ends) in [
        (
            "2025-06-30T22:00:00Z",
            "2025-07-01T21:59:59.999999Z",
            "2025-07-01T22:00:00Z",
        ),
        (
            "2025-10-25T22:00:00Z",
            "2025-10-26T22:59:59.999999Z",
            "2025-10-26T23:00:00Z",
        ),
        (
            "2026-03-28T23:00:00Z",
            "2026-03-29T21:59:59.999999Z",
            "2026-03-29T22:00:00Z",
        ),
    ] {
        let account = limited_in(&bank, "Europe/Prague").await;
        post(&bank, account, &[(time(starts), czk("-60"))]).await;
        assert_used(&bank, account, starts, "60", ends).await;
        assert_used(&bank, account, last, "60", ends).await;
        withdraw_at(&bank, account, &[(last, false), (ends, true)]).await;
    }
    bank.assert_sound().await;
}

/// Clocks of Santiago go from midnight to one o'clock on 2025-09-07.
async fn day_without_midnight_begins_at_its_first_moment(bank: TestBank) {
    let account = limited_in(&bank, "America/Santiago").await;
    let times = [
        ("2025-09-06T04:00:00Z", true),
        ("2025-09-07T03:59:59.999999Z", false),
        ("2025-09-07T04:00:00Z", true),
        ("2025-09-08T02:59:59.999999Z", false),
        ("2025-09-08T03:00:00Z", true),
    ];
    withdraw_at(&bank, account, &times).await;
    let ends = "2025-09-09T03:00:00Z";
    assert_used(&bank, account, "2025-09-08T03:00:00Z", "60", ends).await;
    bank.assert_sound().await;
}

/// Changes the limit while transfers are decided, and adds up what each of them had to obey.
async fn transfer_obeys_the_limit_in_force(bank: TestBank) {
    let [from, to] = limited(&bank, Window::Rolling(24), "50").await;
    let ledgers = [
        grouped(&bank.ledger),
        grouped(&single(bank.database.clone())),
    ];
    let callers = (0..16_usize).map(|number| {
        let ledger = ledgers[number % 2].clone();
        tokio::spawn(async move {
            let mut posted = 0_u32;
            for _ in 0..50 {
                let transfer = TransferRequest::new(from, to, czk("1"));
                match ledger.submit(transfer).await {
                    Ok(_) => posted += 1,
                    Err(LedgerError::Rejected(Rejection::LimitExceeded { .. })) => {}
                    Err(error) => panic!("{error:?}"),
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            posted
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut in_force = vec![(0_i64, 50_i64)];
    for amount in [20, 80, 60, 130, 100, 101, 90, 160, 200] {
        let change = bank.database.begin().await.unwrap();
        let limit = czk(&amount.to_string());
        let limit = AccountLimit::new(EntryType::Debit, Window::Rolling(24), limit);
        limits::set(&change, from, &limit).await.unwrap();
        // The change holds the lock of the account until it commits.
        let sql = "SELECT last_entry_number FROM banking.accounts WHERE account_id = $1";
        let last = change.fetch_value(statement(sql, [from.as_uuid().into()]));
        in_force.push((last.await.unwrap(), amount));
        change.commit().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    let mut posted = 0;
    for caller in callers {
        posted += i64::from(caller.await.unwrap());
    }
    // The account's first entry is its deposit; each further one is a debit of 1.
    let last: i64 = bank.find(from).await.last_entry_number;
    assert_eq!(last, posted + 1);
    assert!(posted > 50, "{in_force:?}");
    for entry in 2..=last {
        let limit = in_force.iter().rev().find(|(before, _)| *before < entry);
        assert!(entry - 1 <= limit.unwrap().1, "{entry}: {in_force:?}");
    }
    bank.assert_sound().await;
}
