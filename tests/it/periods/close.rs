//! What can be closed and undone, and how it is recorded.

use chrono::{DateTime, Days, Timelike, Utc};
use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::audit;
use neobank_domain::periods::{self, ClosingType, PeriodError};
use neobank_domain::{AccountType, Currency};

use super::{close, czk, days_ago, reopen};
use crate::harness::TestBank;

on_both_versions!(
    closing_moves_the_first_open_day_and_only_the_newest_is_undone,
    only_a_day_that_has_ended_everywhere_is_closed,
    closings_are_written_by_their_functions_alone,
    auditor_finds_transfers_in_a_closed_period_and_altered_closings,
);

async fn closing_moves_the_first_open_day_and_only_the_newest_is_undone(bank: TestBank) {
    let eur = Currency::from_code("EUR").unwrap();
    let first_open_day = async || {
        periods::first_open_day(&bank.database, czk())
            .await
            .unwrap()
    };
    assert_eq!(first_open_day().await, None);
    let error = reopen(&bank, czk()).await.unwrap_err();
    assert!(matches!(error, PeriodError::NothingClosed { currency } if currency == czk()));
    for days in [20, 10] {
        let first = close(&bank, czk(), days_ago(days)).await.unwrap();
        assert_eq!(first, days_ago(days - 1));
        assert_eq!(first_open_day().await, Some(first));
    }
    for days in [10, 15, 20, 30] {
        let error = close(&bank, czk(), days_ago(days)).await.unwrap_err();
        assert!(
            matches!(error, PeriodError::AlreadyClosed { day, .. } if day == days_ago(days)),
            "{error:?}"
        );
    }
    assert_eq!(
        periods::first_open_day(&bank.database, eur).await.unwrap(),
        None
    );
    assert_eq!(reopen(&bank, czk()).await.unwrap(), Some(days_ago(19)));
    // The same days can be closed again, and undone again.
    close(&bank, czk(), days_ago(10)).await.unwrap();
    assert_eq!(reopen(&bank, czk()).await.unwrap(), Some(days_ago(19)));
    assert_eq!(reopen(&bank, czk()).await.unwrap(), None);
    assert_eq!(first_open_day().await, None);
    assert!(reopen(&bank, czk()).await.is_err());
    close(&bank, eur, days_ago(5)).await.unwrap();

    let error = periods::close(&bank.database, czk(), days_ago(9))
        .await
        .unwrap_err();
    assert!(matches!(error, PeriodError::ActorRequired), "{error:?}");
    let error = periods::reopen(&bank.database, eur).await.unwrap_err();
    assert!(matches!(error, PeriodError::ActorRequired), "{error:?}");

    let all = periods::list(&bank.database, None, 100).await.unwrap();
    let koruna = periods::list(&bank.database, Some(czk()), 100)
        .await
        .unwrap();
    assert_eq!((all.len(), koruna.as_slice()), (7, &all[1..]));
    let seen: Vec<_> = koruna
        .iter()
        .rev()
        .map(|one| (one.closing_type, one.closed_through, one.first_open_day))
        .collect();
    let (closed, reopened) = (ClosingType::Closed, ClosingType::Reopened);
    let day = |days| Some(days_ago(days));
    assert_eq!(
        seen,
        [
            (closed, days_ago(20), day(19)),
            (closed, days_ago(10), day(9)),
            (reopened, days_ago(10), day(19)),
            (closed, days_ago(10), day(9)),
            (reopened, days_ago(10), day(19)),
            (reopened, days_ago(20), None),
        ]
    );
    assert!(all.iter().all(|one| one.actor == "controller:1"));
    let error = periods::list(&bank.database, None, 0).await.unwrap_err();
    assert!(matches!(error, PeriodError::Limit { limit: 0, .. }));
    bank.assert_sound().await;
}

async fn only_a_day_that_has_ended_everywhere_is_closed(bank: TestBank) {
    let customer = bank.customer().await;
    let opened = async |zone: &str, currency: Currency| {
        let new = NewAccount::new(customer, AccountType::Checking, currency).with_time_zone(zone);
        accounts::open(&bank.database, &new).await
    };
    // The last zone of the world, and the first one.
    opened("Etc/GMT+12", czk()).await.unwrap();
    let eur = Currency::from_code("EUR").unwrap();
    opened("Etc/GMT-14", eur).await.unwrap();
    let clock = statement("SELECT clock_timestamp()", []);
    let now: DateTime<Utc> = bank.database.fetch_value(clock.clone()).await.unwrap();
    let today = now.date_naive();
    let yesterday = today - Days::new(1);
    let west = close(&bank, czk(), yesterday).await;
    // In the east, even today ends at 10:00 UTC.
    let east = close(&bank, eur, today).await;
    let after: DateTime<Utc> = bank.database.fetch_value(clock).await.unwrap();
    if (now.hour(), now.minute() / 5) != (after.hour(), after.minute() / 5) {
        return;
    }
    let minutes = now.hour() * 60 + now.minute();
    for (result, ends_at, day) in [(west, 12 * 60, yesterday), (east, 10 * 60, today)] {
        if minutes >= ends_at + 5 {
            result.unwrap();
        } else {
            let error = result.unwrap_err();
            assert!(
                matches!(error, PeriodError::NotEnded { day: named, .. } if named == day),
                "{error:?}"
            );
        }
    }
    for days in [0, 1] {
        let tomorrow = today + Days::new(1 + days);
        let error = close(&bank, czk(), tomorrow).await.unwrap_err();
        assert!(matches!(error, PeriodError::NotEnded { .. }), "{error:?}");
    }
    // A zone in which the closed day has not ended cannot come later.
    let usd = Currency::from_code("USD").unwrap();
    opened("Etc/GMT-14", usd).await.unwrap();
    if close(&bank, usd, yesterday).await.is_ok() && minutes < 12 * 60 {
        let error = opened("Etc/GMT+12", usd).await.unwrap_err();
        let accounts::AccountError::Database(error) = error else {
            panic!("{error:?}")
        };
        assert_eq!(
            error.constraint(),
            Some("accounts_time_zone_is_in_an_open_day")
        );
    }
}

async fn closings_are_written_by_their_functions_alone(bank: TestBank) {
    close(&bank, czk(), days_ago(9)).await.unwrap();
    let owner = bank.superuser().await;
    for sql in [
        "UPDATE banking.currencies SET first_open_day = NULL",
        "UPDATE banking.period_closings SET actor = 'eve'",
        "DELETE FROM banking.period_closings",
        "TRUNCATE banking.period_closings",
        "INSERT INTO banking.period_closings SELECT * FROM banking.period_closings",
    ] {
        let error = owner.execute(statement(sql, [])).await.unwrap_err();
        assert_eq!(error.server().unwrap().sqlstate, "NB003", "{sql}");
        let error = bank.database.execute(statement(sql, [])).await.unwrap_err();
        assert_eq!(error.server().unwrap().sqlstate, "42501", "{sql}");
    }
}

async fn auditor_finds_transfers_in_a_closed_period_and_altered_closings(bank: TestBank) {
    bank.account(crate::harness::czk("5")).await;
    close(&bank, czk(), days_ago(9)).await.unwrap();
    bank.assert_sound().await;
    let owner = bank.superuser().await;
    let value_date = format!(
        "UPDATE banking.transfers SET value_date = '{}', created_at = clock_timestamp()",
        days_ago(9)
    );
    let in_time = value_date.replace("clock_timestamp()", "posted_at");
    let booked = format!(
        "UPDATE banking.transfers SET posted_at = '{} 23:59:59+00', created_at = clock_timestamp()",
        days_ago(9)
    );
    let altered = "UPDATE banking.currencies SET first_open_day = NULL".to_owned();
    for (sql, check) in [
        (value_date, Some("closed period takes no transfer")),
        (booked, Some("closed period takes no transfer")),
        (altered, Some("first open day follows the closings")),
        // It was written before the closing.
        (in_time, None),
    ] {
        let transaction = owner.begin().await.unwrap();
        for change in [
            "ALTER TABLE banking.transfers DISABLE TRIGGER USER",
            "ALTER TABLE banking.currencies DISABLE TRIGGER USER",
            sql.as_str(),
        ] {
            transaction.execute(statement(change, [])).await.unwrap();
        }
        let found = audit::violations(&transaction).await.unwrap();
        let found: Vec<_> = found.iter().map(|one| one.check_name.as_str()).collect();
        let is_named = |name: &str| {
            name == "closed period takes no transfer"
                || name == "first open day follows the closings"
        };
        let named = found.iter().copied().find(|name| is_named(name));
        assert_eq!(named, check, "{sql}: {found:?}");
        transaction.rollback().await.unwrap();
    }
}
