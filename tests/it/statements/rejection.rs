//! Requests that cannot be read, and their errors.

use neobank_domain::AccountId;
use neobank_domain::statements::{self, Days, StatementCursor, StatementError, StatementRequest};

use super::{account_in, day};
use crate::harness::TestBank;

on_both_versions!(invalid_range_limit_cursor_or_account_is_rejected);

async fn invalid_range_limit_cursor_or_account_is_rejected(bank: TestBank) {
    let account = account_in(&bank, "UTC").await;
    let fine = StatementRequest::between(day("2020-01-01"), day("2020-02-01"));
    for (from, to) in [
        ("2020-01-02", "2020-01-01"),
        ("0000-12-31", "2020-01-01"),
        ("2020-01-01", "+10000-01-01"),
        ("-0044-03-15", "-0044-03-16"),
    ] {
        let request = StatementRequest::between(day(from), day(to));
        let error = statements::page(&bank.database, account, &request)
            .await
            .unwrap_err();
        assert!(
            matches!(error, StatementError::Range { from: a, to: b } if (a, b) == (day(from), day(to))),
            "{error:?}"
        );
    }
    for limit in [0, 10_001, u32::MAX] {
        let error = statements::page(&bank.database, account, &fine.with_limit(limit))
            .await
            .unwrap_err();
        assert!(
            matches!(error, StatementError::Limit { limit: given, limit_max: 10_000 } if given == limit),
            "{error:?}"
        );
    }
    for text in [
        "",
        ".",
        "1",
        "1.",
        ".1",
        "a.b",
        "1.2.3",
        "1.9223372036854775808",
        "-70000000000000000.1",
        "900000000000000000.1",
        "99999999999999999999.1",
        "1 .1",
    ] {
        let error = text.parse::<StatementCursor>().unwrap_err();
        assert!(
            matches!(&error, StatementError::Cursor { text: given } if given == text),
            "{error:?}"
        );
    }
    let unknown = AccountId::new();
    let error = statements::page(&bank.database, unknown, &fine)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StatementError::UnknownAccount { account } if account == unknown),
        "{error:?}"
    );
    let error = statements::daily_summary(&bank.database, unknown, day("2020-01-01"), Days::OfUtc)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StatementError::UnknownAccount { account } if account == unknown),
        "{error:?}"
    );
    for date in ["0000-12-31", "9999-12-31", "+10000-01-01"] {
        let error = statements::daily_summary(&bank.database, account, day(date), Days::OfUtc)
            .await
            .unwrap_err();
        assert!(
            matches!(error, StatementError::Range { from, .. } if from == day(date)),
            "{error:?}"
        );
    }
    // The first and last day are readable in the easternmost zone too.
    let far = account_in(&bank, "Pacific/Kiritimati").await;
    statements::page(
        &bank.database,
        far,
        &StatementRequest::between(day("0001-01-01"), day("9999-12-31")),
    )
    .await
    .unwrap();
}
