//! Random entries and random times: a balance is the sum of the entries until then.

use chrono::{DateTime, Duration, Utc};
use neobank_db::{Executor, statement};
use neobank_domain::balances::{self, Balances};
use neobank_domain::{AccountId, Money, PostingRequest, Request, TransferRequest};

use crate::harness::{Random, TestBank, czk};
use crate::statements::{account_in, time};

on_both_versions!(
    balance_at_a_random_time_is_the_sum_of_the_entries_until_then,
    balances_of_live_transfers_match_the_journal_at_every_booking_time,
);

/// The time of an entry, and its signed amount.
type Posted = (DateTime<Utc>, Money);

fn sum_until(postings: &[Posted], until: DateTime<Utc>) -> (Money, i64) {
    let until = postings.iter().filter(|(at, _)| *at <= until);
    until.fold((czk("0"), 0), |(sum, count), (_, amount)| {
        (sum.checked_add(*amount).unwrap(), count + 1)
    })
}

async fn balance_at_a_random_time_is_the_sum_of_the_entries_until_then(bank: TestBank) {
    let mut random = Random::new(0x00BA_1A9C);
    let mut books: Vec<(AccountId, Vec<Posted>)> = Vec::new();
    for _ in 0..3 {
        books.push((account_in(&bank, "UTC").await, Vec::new()));
    }
    let mut moment = time("2024-01-01T00:00:00Z");
    let mut requests: Vec<Request> = Vec::new();
    for _ in 0..600 {
        // Several entries often have the same time.
        moment += Duration::microseconds((random.below(3) * random.below(30_000_000)) as i64);
        let amount = czk(&format!(
            "{}.{:02}",
            random.below(500),
            1 + random.below(99)
        ));
        let (account, postings) = &mut books[random.below(3) as usize];
        let posting = if random.below(2) == 0 {
            postings.push((moment, amount));
            PostingRequest::deposit(*account, amount)
        } else {
            postings.push((moment, amount.negated()));
            PostingRequest::withdrawal(*account, amount)
        };
        requests.push(posting.effective_at(moment).into());
    }
    for outcome in bank.ledger.submit_all(&requests).await.unwrap() {
        outcome.into_receipt().unwrap();
    }
    for round in 0..80 {
        let (_, postings) = &books[random.below(3) as usize];
        let entry = postings[random.below(postings.len() as u64) as usize].0;
        // Exactly at an entry's time, a microsecond before it, and anywhere.
        let at = match round % 3 {
            0 => entry,
            1 => entry - Duration::microseconds(1),
            _ => time("2023-12-31T00:00:00Z") + Duration::seconds(random.below(100_000) as i64),
        };
        let request = Balances::at(at).of(books.iter().map(|(account, _)| *account));
        let page = balances::list(&bank.database, &request).await.unwrap();
        assert_eq!((page.balances.len(), page.next), (3, None));
        for (account, postings) in &books {
            let found = page
                .balances
                .iter()
                .find(|found| found.account_id == *account);
            let found = found.unwrap();
            assert_eq!(
                (found.balance, found.entries),
                sum_until(postings, at),
                "{at}"
            );
            let alone = balances::at(&bank.database, *account, at).await.unwrap();
            assert_eq!(alone, *found);
        }
    }
}

async fn balances_of_live_transfers_match_the_journal_at_every_booking_time(bank: TestBank) {
    let accounts = [
        bank.account(czk("100")).await,
        bank.account(czk("100")).await,
        bank.account(czk("100")).await,
    ];
    let mut tasks = Vec::new();
    for number in 0..3 {
        let (ledger, from, to) = (
            bank.ledger.clone(),
            accounts[number],
            accounts[(number + 1) % 3],
        );
        tasks.push(tokio::spawn(async move {
            for _ in 0..15 {
                ledger
                    .transfer(TransferRequest::new(from, to, czk("0.50")))
                    .await
                    .unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let sql = "SELECT DISTINCT transaction_date FROM banking.transactions ORDER BY 1";
    let times: Vec<DateTime<Utc>> = bank
        .database
        .query(statement(sql, []))
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(times.len() > 10, "{times:?}");
    for at in times {
        let request = Balances::at(at).with_limit(Balances::LIMIT_MAX);
        for found in balances::list(&bank.database, &request)
            .await
            .unwrap()
            .balances
        {
            let sql = "SELECT coalesce(sum(CASE transaction_type WHEN 'credit' THEN amount ELSE -amount END), 0)::text
                       FROM banking.transactions WHERE account_id = $1 AND transaction_date <= $2";
            let parameters = [found.account_id.as_uuid().into(), at.into()];
            let sum: String = bank
                .database
                .fetch_value(statement(sql, parameters))
                .await
                .unwrap();
            assert_eq!(found.balance, czk(&sum), "{} at {at}", found.account_number);
        }
        let trial = balances::trial_balance(&bank.database, Some(at))
            .await
            .unwrap();
        assert!(
            trial.iter().all(balances::TrialBalance::is_balanced),
            "{at}: {trial:?}"
        );
    }
}
