//! The history of an account's days, compared with the summary of each day.

use chrono::NaiveDate;
use neobank_domain::AccountId;
use neobank_domain::statements::{self, Days, StatementError};

use super::{account_in, day, post, time};
use crate::harness::{TestBank, czk};

on_both_versions!(
    history_has_the_summary_of_every_day,
    invalid_range_of_a_history_is_rejected,
);

async fn history_has_the_summary_of_every_day(bank: TestBank) {
    // The clocks of Prague change on 2024-03-31, and those of Havana at midnight of 2024-11-03.
    for (zone, first, last) in [
        ("Europe/Prague", "2024-03-25", "2024-04-05"),
        ("America/Havana", "2024-10-30", "2024-11-07"),
    ] {
        let account = account_in(&bank, zone).await;
        let (from, to) = (day(first), day(last));
        let mut postings = Vec::new();
        let mut moment = time(&format!("{first}T00:00:00Z"));
        while moment.date_naive() < to {
            postings.push((moment, czk("1.50")));
            postings.push((moment, czk("-0.50")));
            moment += chrono::Duration::minutes(473);
        }
        // A day without entries.
        postings.retain(|(at, _)| at.date_naive() != from.succ_opt().unwrap());
        post(&bank, account, &postings).await;
        for days in [Days::OfAccount, Days::OfUtc] {
            let history = statements::daily_summaries(&bank.database, account, from, to, days)
                .await
                .unwrap();
            let dates: Vec<NaiveDate> = from.iter_days().take_while(|date| *date < to).collect();
            assert_eq!(
                history.iter().map(|day| day.date).collect::<Vec<_>>(),
                dates
            );
            for found in &history {
                let alone = statements::daily_summary(&bank.database, account, found.date, days)
                    .await
                    .unwrap();
                assert_eq!(*found, alone, "{zone} {days:?}");
            }
            for pair in history.windows(2) {
                assert_eq!(pair[0].closing_balance, pair[1].opening_balance);
            }
            assert!(history.iter().any(|day| day.transaction_count > 0));
        }
    }
}

async fn invalid_range_of_a_history_is_rejected(bank: TestBank) {
    let account = account_in(&bank, "UTC").await;
    let read = async |account: AccountId, from: &str, to: &str| {
        statements::daily_summaries(&bank.database, account, day(from), day(to), Days::OfUtc).await
    };
    assert_eq!(read(account, "2024-01-01", "2024-01-01").await.unwrap(), []);
    assert_eq!(
        read(account, "2014-01-01", "2024-01-01")
            .await
            .unwrap()
            .len(),
        3_652
    );
    for (from, to) in [("2024-01-02", "2024-01-01"), ("0000-12-31", "0001-01-02")] {
        let error = read(account, from, to).await.unwrap_err();
        assert!(matches!(error, StatementError::Range { .. }), "{error:?}");
    }
    let error = read(account, "0001-01-01", "9999-12-31").await.unwrap_err();
    assert!(
        matches!(
            error,
            StatementError::TooManyDays {
                days: 3_652_058,
                days_max: 3_660
            }
        ),
        "{error:?}"
    );
    let unknown = AccountId::new();
    let error = read(unknown, "2024-01-01", "2024-01-02").await.unwrap_err();
    assert!(
        matches!(error, StatementError::UnknownAccount { account } if account == unknown),
        "{error:?}"
    );
}
