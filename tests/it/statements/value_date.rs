//! Statements and days by value date, compared with the sums of the entries.

use chrono::{Days, Duration, NaiveDate, Utc};
use neobank_db::{Executor, FromRow, statement};
use neobank_domain::statements::{self, ValueDateEntry, ValueDateRequest};
use neobank_domain::{AccountId, PostingRequest, Request, TransferRequest};
use rust_decimal::Decimal;

use super::account_in;
use crate::harness::{Random, TestBank, czk, explain};

on_both_versions!(
    entries_stand_under_their_value_date,
    statements_by_value_date_match_the_entries,
    indexes_serve_a_statement_by_value_date,
);

fn days_ago(days: u64) -> NaiveDate {
    Utc::now().date_naive() - Days::new(days)
}

async fn read(
    bank: &TestBank,
    account: AccountId,
    from: NaiveDate,
    to: NaiveDate,
    limit: u32,
) -> (Decimal, Decimal, Vec<ValueDateEntry>) {
    let mut request = ValueDateRequest::between(from, to).with_limit(limit);
    let mut entries = Vec::new();
    loop {
        let page = statements::page_by_value_date(&bank.database, account, &request).await;
        let page = page.unwrap();
        entries.extend(page.entries);
        request.after = page.next;
        if request.after.is_none() {
            let (opening, closing) = (page.opening_balance, page.closing_balance);
            return (opening.amount(), closing.amount(), entries);
        }
    }
}

async fn entries_stand_under_their_value_date(bank: TestBank) {
    let one = account_in(&bank, "Europe/Prague").await;
    let two = account_in(&bank, "UTC").await;
    let noon = days_ago(10).and_hms_opt(12, 0, 0).unwrap().and_utc();
    for request in [
        PostingRequest::deposit(one, czk("100")).effective_at(noon),
        PostingRequest::deposit(one, czk("20"))
            .effective_at(noon)
            .with_value_date(days_ago(12)),
        PostingRequest::withdrawal(one, czk("3"))
            .effective_at(noon)
            .with_value_date(days_ago(8)),
    ] {
        bank.ledger.submit(request).await.unwrap();
    }
    let transfer = TransferRequest::new(one, two, czk("7")).with_value_date(days_ago(12));
    bank.ledger.transfer(transfer).await.unwrap();
    let (opening, closing, entries) = read(&bank, one, days_ago(12), days_ago(9), 1).await;
    assert_eq!((opening, closing), (Decimal::ZERO, Decimal::from(113)));
    let found: Vec<_> = entries
        .iter()
        .map(|one| (one.value_date, one.entry.entry_number, one.balance))
        .collect();
    assert_eq!(
        found,
        [
            (days_ago(10), 1, czk("113")),
            (days_ago(12), 4, czk("13")),
            (days_ago(12), 2, czk("20")),
        ]
    );
    let days =
        statements::daily_summaries_by_value_date(&bank.database, one, days_ago(13), days_ago(7));
    let days = days.await.unwrap();
    let found: Vec<_> = days
        .iter()
        .map(|day| (day.transaction_count, day.closing_balance))
        .collect();
    let expected = [
        (0, "0"),
        (2, "13"),
        (0, "13"),
        (1, "113"),
        (0, "113"),
        (1, "110"),
    ];
    assert_eq!(
        found,
        expected.map(|(count, balance)| (count, czk(balance)))
    );
    let (opening, closing, entries) = read(&bank, two, days_ago(11), days_ago(0), 10).await;
    assert_eq!((opening, closing), (Decimal::from(7), Decimal::from(7)));
    assert!(entries.is_empty());
}

#[derive(FromRow)]
struct Expected {
    value_date: NaiveDate,
    entry_number: i64,
    balance: Decimal,
}

async fn statements_by_value_date_match_the_entries(bank: TestBank) {
    let mut random = Random::new(0x5EED_DA7E);
    let zones = ["UTC", "Europe/Prague", "Pacific/Auckland"];
    let mut accounts = Vec::new();
    for zone in zones {
        accounts.push(account_in(&bank, zone).await);
    }
    let mut moment = days_ago(30).and_hms_opt(0, 0, 0).unwrap().and_utc();
    let mut requests: Vec<Request> = Vec::new();
    for _ in 0..300 {
        moment += Duration::minutes(random.below(240) as i64);
        let amount = czk(&(1 + random.below(500)).to_string());
        let account = accounts[random.below(3) as usize];
        let mut posting = match random.below(2) {
            0 => PostingRequest::deposit(account, amount),
            _ => PostingRequest::withdrawal(account, amount),
        };
        posting = posting.effective_at(moment);
        if random.below(3) > 0 {
            posting = posting.with_value_date(days_ago(40 - random.below(40)));
        }
        requests.push(posting.into());
    }
    for outcome in bank.ledger.submit_all(&requests).await.unwrap() {
        outcome.into_receipt().unwrap();
    }
    let sql = "SELECT valued.value_date, valued.entry_number,
                      sum(valued.movement) OVER (ORDER BY valued.value_date, valued.entry_number) AS balance
               FROM (
                   SELECT coalesce(transfer.value_date, (entry.transaction_date AT TIME ZONE account.time_zone)::date) AS value_date,
                          entry.entry_number,
                          CASE entry.transaction_type WHEN 'credit' THEN entry.amount ELSE -entry.amount END AS movement
                   FROM banking.accounts AS account
                   JOIN banking.transactions AS entry USING (account_id)
                   JOIN banking.transfers AS transfer USING (transfer_id)
                   WHERE account.account_id = $1
               ) AS valued ORDER BY 1, 2";
    for account in accounts {
        let query = statement(sql, [account.as_uuid().into()]);
        let all: Vec<Expected> = bank.database.fetch_many(query).await.unwrap();
        for _ in 0..40 {
            let from = 45 - random.below(45);
            let (from, to) = (
                days_ago(from),
                days_ago(from.saturating_sub(random.below(20))),
            );
            let limit = 1 + random.below(30) as u32;
            let (opening, closing, entries) = read(&bank, account, from, to, limit).await;
            let until = |day: NaiveDate| {
                let earlier = all.iter().rfind(|one| one.value_date < day);
                earlier.map_or(Decimal::ZERO, |one| one.balance)
            };
            assert_eq!((opening, closing), (until(from), until(to)), "{from} {to}");
            let found: Vec<_> = entries
                .iter()
                .map(|one| (one.value_date, one.entry.entry_number, one.balance.amount()))
                .collect();
            let expected: Vec<_> = all
                .iter()
                .rev()
                .filter(|one| (from..to).contains(&one.value_date))
                .map(|one| (one.value_date, one.entry_number, one.balance))
                .collect();
            assert_eq!(found, expected, "{from} {to} {limit}");
            let days = statements::daily_summaries_by_value_date(&bank.database, account, from, to);
            for day in days.await.unwrap() {
                let next = day.date + Days::new(1);
                let balances = (day.opening_balance.amount(), day.closing_balance.amount());
                assert_eq!(balances, (until(day.date), until(next)), "{}", day.date);
            }
        }
    }
}

async fn indexes_serve_a_statement_by_value_date(bank: TestBank) {
    let account = bank.account(czk("5")).await;
    let request = ValueDateRequest::between(days_ago(30), days_ago(0));
    let query = statements::page_by_value_date_query(account, &request).unwrap();
    let session = bank.database.begin().await.unwrap();
    session
        .execute(statement("SET LOCAL enable_seqscan = off", []))
        .await
        .unwrap();
    let plan = explain(&session, query).await;
    for index in [
        "transfers_from_value_date_index",
        "transfers_to_value_date_index",
    ] {
        assert!(plan.contains(index), "{plan}");
    }
    assert!(!plan.contains("Seq Scan on transactions"), "{plan}");
}
