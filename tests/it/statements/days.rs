//! The days of a statement: those of the account's time zone with its clock changes, or those of
//! UTC.

use neobank_domain::AccountId;
use neobank_domain::statements::{self, Days, StatementRequest};

use super::{account_in, day, post, time};
use crate::harness::{TestBank, czk};

on_both_versions!(
    days_begin_by_the_clocks_of_the_zone,
    entries_are_on_the_days_of_the_zone
);

/// The first moment of a day in a time zone, from the public time zone data.
const BEGINNINGS: &[(&str, &str, &str)] = &[
    ("Europe/Prague", "2025-01-15", "2025-01-14T23:00:00Z"),
    ("Europe/Prague", "2025-07-15", "2025-07-14T22:00:00Z"),
    // Days of 23 and of 25 hours.
    ("Europe/Prague", "2025-03-30", "2025-03-29T23:00:00Z"),
    ("Europe/Prague", "2025-03-31", "2025-03-30T22:00:00Z"),
    ("Europe/Prague", "2025-10-26", "2025-10-25T22:00:00Z"),
    ("Europe/Prague", "2025-10-27", "2025-10-26T23:00:00Z"),
    ("Pacific/Kiritimati", "2025-01-01", "2024-12-31T10:00:00Z"),
    ("America/St_Johns", "2025-01-01", "2025-01-01T03:30:00Z"),
    ("America/St_Johns", "2025-07-01", "2025-07-01T02:30:00Z"),
    // The clock went from 24:00 to 1:00, so the day has no midnight.
    ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"),
    // The clock goes from 1:00 to 0:00, so the day has two midnights and begins with the first.
    ("America/Havana", "2024-11-03", "2024-11-03T04:00:00Z"),
    ("America/Havana", "2024-11-04", "2024-11-04T05:00:00Z"),
    // The zone skipped the day, so it ends where it begins.
    ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
    ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
    ("Australia/Lord_Howe", "2025-04-06", "2025-04-05T13:00:00Z"),
    ("Australia/Lord_Howe", "2025-04-07", "2025-04-06T13:30:00Z"),
];

async fn days_begin_by_the_clocks_of_the_zone(bank: TestBank) {
    for (zone, date, beginning) in BEGINNINGS {
        let account = account_in(&bank, zone).await;
        let date = day(date);
        let request = StatementRequest::between(date, date.succ_opt().unwrap());
        let page = statements::page(&bank.database, account, &request)
            .await
            .unwrap();
        assert_eq!(page.starts_at, time(beginning), "{zone} {date}");
        let before = StatementRequest::between(date.pred_opt().unwrap(), date);
        let page = statements::page(&bank.database, account, &before)
            .await
            .unwrap();
        assert_eq!(page.ends_at, time(beginning), "{zone} {date}");
        let utc = request.with_days(Days::OfUtc);
        let page = statements::page(&bank.database, account, &utc)
            .await
            .unwrap();
        assert_eq!(
            page.starts_at,
            date.and_hms_opt(0, 0, 0).unwrap().and_utc(),
            "{zone} {date}"
        );
    }
}

async fn numbers(bank: &TestBank, account: AccountId, date: &str, days: Days) -> Vec<i64> {
    let date = day(date);
    let request = StatementRequest::between(date, date.succ_opt().unwrap()).with_days(days);
    let page = statements::page(&bank.database, account, &request)
        .await
        .unwrap();
    let summary = statements::daily_summary(&bank.database, account, date, days)
        .await
        .unwrap();
    assert_eq!(summary.transaction_count, page.entries.len() as i64);
    assert_eq!(
        (summary.opening_balance, summary.closing_balance),
        (page.opening_balance, page.closing_balance)
    );
    page.entries
        .iter()
        .map(|entry| entry.entry_number)
        .collect()
}

async fn entries_are_on_the_days_of_the_zone(bank: TestBank) {
    let prague = account_in(&bank, "Europe/Prague").await;
    let moments = [
        "2025-03-29T22:59:59.999999Z", // 1: the 29th in Prague
        "2025-03-29T23:00:00Z",        // 2: the 30th
        "2025-03-30T21:59:59.999999Z", // 3: the 30th, 23 hours long
        "2025-03-30T22:00:00Z",        // 4: the 31st
        "2025-10-25T22:00:00Z",        // 5: the 26th
        "2025-10-26T00:30:00Z",        // 6: 2:30 in summer time
        "2025-10-26T01:30:00Z",        // 7: 2:30 again, in winter time
        "2025-10-26T22:59:59.999999Z", // 8: the 26th, 25 hours long
        "2025-10-26T23:00:00Z",        // 9: the 27th
    ];
    post(
        &bank,
        prague,
        &moments.map(|moment| (time(moment), czk("1"))),
    )
    .await;
    for (date, of_account, of_utc) in [
        ("2025-03-29", vec![1], vec![2, 1]),
        ("2025-03-30", vec![3, 2], vec![4, 3]),
        ("2025-03-31", vec![4], vec![]),
        ("2025-10-25", vec![], vec![5]),
        ("2025-10-26", vec![8, 7, 6, 5], vec![9, 8, 7, 6]),
        ("2025-10-27", vec![9], vec![]),
    ] {
        assert_eq!(
            numbers(&bank, prague, date, Days::OfAccount).await,
            of_account,
            "{date}"
        );
        assert_eq!(
            numbers(&bank, prague, date, Days::OfUtc).await,
            of_utc,
            "{date}"
        );
    }
    // Both passes of the repeated hour belong to the day that the clock shows.
    let havana = account_in(&bank, "America/Havana").await;
    let moments = [
        "2025-11-02T03:59:59.999999Z",
        "2025-11-02T04:30:00Z",
        "2025-11-02T05:30:00Z",
    ];
    post(
        &bank,
        havana,
        &moments.map(|moment| (time(moment), czk("1"))),
    )
    .await;
    assert_eq!(
        numbers(&bank, havana, "2025-11-01", Days::OfAccount).await,
        [1]
    );
    assert_eq!(
        numbers(&bank, havana, "2025-11-02", Days::OfAccount).await,
        [3, 2]
    );
}
