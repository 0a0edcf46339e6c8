//! Summaries of one day of an account.

use neobank_domain::statements::{self, Days};

use super::{account_in, day, post, time};
use crate::harness::{TestBank, czk};

on_both_versions!(
    closing_balance_is_the_last_entry_not_the_highest,
    day_without_entries_keeps_the_balance
);

async fn closing_balance_is_the_last_entry_not_the_highest(bank: TestBank) {
    let account = account_in(&bank, "UTC").await;
    post(
        &bank,
        account,
        &[
            (time("2020-01-01T10:00:00Z"), czk("100")),
            (time("2020-01-02T09:00:00Z"), czk("900")),
            // Three entries have one time: their numbers, not the time, order them.
            (time("2020-01-02T10:00:00Z"), czk("-250.50")),
            (time("2020-01-02T10:00:00Z"), czk("5")),
            (time("2020-01-02T10:00:00Z"), czk("-700")),
            (time("2020-01-03T00:00:00Z"), czk("1")),
        ],
    )
    .await;
    let summary =
        statements::daily_summary(&bank.database, account, day("2020-01-02"), Days::OfAccount)
            .await
            .unwrap();
    assert_eq!(
        (summary.account_id, summary.date, summary.transaction_count),
        (account, day("2020-01-02"), 4)
    );
    assert_eq!(
        [
            summary.total_credits,
            summary.total_debits,
            summary.opening_balance,
            summary.closing_balance,
        ],
        ["905", "950.50", "100", "54.50"].map(czk)
    );
}

async fn day_without_entries_keeps_the_balance(bank: TestBank) {
    let account = account_in(&bank, "Pacific/Kiritimati").await;
    // The time is on the 2nd in Kiritimati, on the 1st in UTC.
    post(
        &bank,
        account,
        &[(time("2020-01-01T10:00:00Z"), czk("100"))],
    )
    .await;
    for (date, days, count, closing) in [
        ("2020-01-01", Days::OfAccount, 0, "0"),
        ("2020-01-02", Days::OfAccount, 1, "100"),
        ("2020-01-03", Days::OfAccount, 0, "100"),
        ("2019-12-31", Days::OfUtc, 0, "0"),
        ("2020-01-01", Days::OfUtc, 1, "100"),
        ("2020-01-02", Days::OfUtc, 0, "100"),
        ("0001-01-01", Days::OfAccount, 0, "0"),
        ("9999-12-30", Days::OfAccount, 0, "100"),
    ] {
        let summary = statements::daily_summary(&bank.database, account, day(date), days)
            .await
            .unwrap();
        assert_eq!(
            (summary.transaction_count, summary.closing_balance),
            (count, czk(closing)),
            "{date} {days:?}"
        );
        let credits = if count == 1 { czk("100") } else { czk("0") };
        assert_eq!(
            (summary.total_credits, summary.total_debits),
            (credits, czk("0"))
        );
    }
    let empty = account_in(&bank, "UTC").await;
    let summary = statements::daily_summary(&bank.database, empty, day("2020-01-01"), Days::OfUtc)
        .await
        .unwrap();
    assert_eq!(
        (summary.opening_balance, summary.closing_balance),
        (czk("0"), czk("0"))
    );
}
