//! Pages of a statement: newest entry first, each exactly once.

use neobank_domain::statements::{self, StatementCursor, StatementRequest};
use neobank_domain::{AccountId, PostingRequest};

use super::{account_in, day, post, time};
use crate::harness::{TestBank, czk};

on_both_versions!(
    pages_over_identical_times_list_newest_first,
    pages_are_stable_while_entries_arrive,
    offset_skips_entries,
    range_includes_first_day_and_excludes_last,
);

/// Returns the entry numbers of a range from all its pages.
async fn numbers(bank: &TestBank, account: AccountId, mut request: StatementRequest) -> Vec<i64> {
    let mut numbers = Vec::new();
    loop {
        let page = statements::page(&bank.database, account, &request)
            .await
            .unwrap();
        assert!(page.entries.len() <= request.limit as usize);
        numbers.extend(page.entries.iter().map(|entry| entry.entry_number));
        // The next request gets the cursor from its text.
        let Some(next) = page.next else {
            return numbers;
        };
        request.after = Some(next.to_string().parse::<StatementCursor>().unwrap());
        assert_eq!(request.after, Some(next));
    }
}

async fn pages_over_identical_times_list_newest_first(bank: TestBank) {
    let account = account_in(&bank, "UTC").await;
    let mut postings = Vec::new();
    for (moment, count) in [
        ("2020-01-01T10:00:00.000001Z", 90),
        ("2020-01-01T10:00:00.000002Z", 70),
        ("2020-01-02T00:00:00Z", 41),
    ] {
        postings.extend(std::iter::repeat_n((time(moment), czk("1")), count));
    }
    post(&bank, account, &postings).await;
    let expected: Vec<i64> = (1..=201).rev().collect();
    for limit in [1, 7, 100, 201, 10_000] {
        let request =
            StatementRequest::between(day("2020-01-01"), day("2020-01-03")).with_limit(limit);
        assert_eq!(numbers(&bank, account, request).await, expected, "{limit}");
    }
    let page = statements::page(
        &bank.database,
        account,
        &StatementRequest::between(day("2020-01-01"), day("2020-01-03")),
    )
    .await
    .unwrap();
    let first = &page.entries[0];
    assert_eq!(
        (first.running_balance, first.movement(), first.posted_at),
        (czk("201"), czk("1"), time("2020-01-02T00:00:00Z"))
    );
    assert_eq!(
        (page.opening_balance, page.closing_balance),
        (czk("0"), czk("201"))
    );
}

async fn pages_are_stable_while_entries_arrive(bank: TestBank) {
    let account = account_in(&bank, "UTC").await;
    post(
        &bank,
        account,
        &vec![(time("2020-01-01T10:00:00Z"), czk("1")); 50],
    )
    .await;
    let mut request = StatementRequest::between(day("2020-01-01"), day("9999-01-01")).with_limit(8);
    let mut seen = Vec::new();
    loop {
        let page = statements::page(&bank.database, account, &request)
            .await
            .unwrap();
        seen.extend(page.entries.iter().map(|entry| entry.entry_number));
        // One new entry has the time of the others, the rest are later.
        bank.ledger
            .submit(
                PostingRequest::deposit(account, czk("1"))
                    .effective_at(time("2020-01-01T10:00:00Z")),
            )
            .await
            .ok();
        bank.ledger
            .submit(PostingRequest::deposit(account, czk("1")))
            .await
            .unwrap();
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=50).rev().collect::<Vec<_>>());
}

async fn offset_skips_entries(bank: TestBank) {
    let account = account_in(&bank, "UTC").await;
    post(
        &bank,
        account,
        &[(time("2020-01-01T10:00:00Z"), czk("1")); 10],
    )
    .await;
    for (offset, limit, expected, more) in [
        (0, 3, 8..11, true),
        (2, 3, 6..9, true),
        (7, 3, 1..4, false),
        (8, 3, 1..3, false),
        (10, 3, 1..1, false),
        (u32::MAX, 1, 1..1, false),
    ] {
        let request = StatementRequest::between(day("2020-01-01"), day("2020-01-02"))
            .with_offset(offset)
            .with_limit(limit);
        let page = statements::page(&bank.database, account, &request)
            .await
            .unwrap();
        let found: Vec<_> = page
            .entries
            .iter()
            .map(|entry| entry.entry_number)
            .collect();
        assert_eq!(found, expected.rev().collect::<Vec<_>>(), "{offset}");
        assert_eq!(page.next.is_some(), more, "{offset}");
        // The balances are those of the range, on every page.
        assert_eq!(
            (page.opening_balance, page.closing_balance),
            (czk("0"), czk("10")),
            "{offset}"
        );
    }
}

async fn range_includes_first_day_and_excludes_last(bank: TestBank) {
    let account = account_in(&bank, "UTC").await;
    let moments = [
        "2020-01-01T23:59:59.999999Z",
        "2020-01-02T00:00:00Z",
        "2020-01-02T23:59:59.999999Z",
        "2020-01-03T00:00:00Z",
    ];
    post(
        &bank,
        account,
        &moments.map(|moment| (time(moment), czk("1"))),
    )
    .await;
    for (from, to, expected) in [
        ("2020-01-02", "2020-01-03", vec![3, 2]),
        ("2020-01-01", "2020-01-02", vec![1]),
        ("2020-01-02", "2020-01-02", vec![]),
        ("2020-01-03", "2020-01-04", vec![4]),
        ("2020-01-04", "2020-02-01", vec![]),
        ("0001-01-01", "9999-12-31", vec![4, 3, 2, 1]),
    ] {
        assert_eq!(
            numbers(
                &bank,
                account,
                StatementRequest::between(day(from), day(to))
            )
            .await,
            expected,
            "{from} {to}"
        );
    }
    let page = statements::page(
        &bank.database,
        account,
        &StatementRequest::between(day("2020-01-02"), day("2020-01-02")),
    )
    .await
    .unwrap();
    assert_eq!(
        (page.opening_balance, page.closing_balance, page.starts_at),
        (czk("1"), czk("1"), page.ends_at)
    );
}
