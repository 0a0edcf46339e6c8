//! Random entries and random ranges, compared with sums that the test computes.

use chrono::{DateTime, Days as Count, Duration, NaiveDate, Utc};
use neobank_domain::Money;
use neobank_domain::statements::{self, Days, EntryType, StatementRequest};

use super::{account_in, day, post};
use crate::harness::{Random, TestBank, czk};

on_both_versions!(random_ranges_match_the_model);

fn sum<'a>(amounts: impl Iterator<Item = &'a Money>) -> Money {
    amounts.fold(czk("0"), |sum, amount| sum.checked_add(*amount).unwrap())
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_hms_opt(0, 0, 0).unwrap().and_utc()
}

async fn random_ranges_match_the_model(bank: TestBank) {
    let mut random = Random::new(0x00C0_FFEE);
    // Kolkata has been five and a half hours ahead of UTC all the time, so the test can compute its
    // days.
    for (zone, ahead, year) in [("UTC", 0, 2023), ("Asia/Kolkata", 330, 2024)] {
        let account = account_in(&bank, zone).await;
        let mut moment = midnight(day(&format!("{year}-01-01")));
        let mut postings = Vec::new();
        for _ in 0..300 {
            if random.below(3) > 0 {
                moment += Duration::minutes(random.below(1_440) as i64);
            }
            let amount = czk(&format!(
                "{}.{:02}",
                random.below(500),
                1 + random.below(99)
            ));
            postings.push((
                moment,
                if random.below(2) == 0 {
                    amount
                } else {
                    amount.negated()
                },
            ));
        }
        post(&bank, account, &postings).await;
        for _ in 0..60 {
            let from = day(&format!("{}-12-20", year - 1)) + Count::new(random.below(200));
            let to = from + Count::new(random.below(60));
            let limit = 1 + random.below(40) as u32;
            let days = if ahead == 0 || random.below(2) == 0 {
                Days::OfAccount
            } else {
                Days::OfUtc
            };
            let offset = Duration::minutes(if days == Days::OfUtc { 0 } else { ahead });
            let (starts_at, ends_at) = (midnight(from) - offset, midnight(to) - offset);

            let mut request = StatementRequest::between(from, to)
                .with_days(days)
                .with_limit(limit);
            let mut entries = Vec::new();
            let page = loop {
                let page = statements::page(&bank.database, account, &request)
                    .await
                    .unwrap();
                entries.extend(page.entries.clone());
                request.after = page.next;
                if request.after.is_none() {
                    break page;
                }
            };
            let before = sum(postings
                .iter()
                .filter(|(at, _)| *at < starts_at)
                .map(|(_, amount)| amount));
            let inside: Vec<_> = postings
                .iter()
                .filter(|(at, _)| (starts_at..ends_at).contains(at))
                .collect();
            let after = before
                .checked_add(sum(inside.iter().map(|(_, amount)| amount)))
                .unwrap();
            assert_eq!((page.starts_at, page.ends_at), (starts_at, ends_at));
            assert_eq!(
                (page.opening_balance, page.closing_balance),
                (before, after),
                "{zone} {from} {to} {days:?}"
            );
            let expected: Vec<_> = inside
                .iter()
                .rev()
                .map(|(at, amount)| (*at, *amount))
                .collect();
            let found: Vec<_> = entries
                .iter()
                .map(|entry| (entry.posted_at, entry.movement()))
                .collect();
            assert_eq!(found, expected);
            let mut balance = page.closing_balance;
            for entry in &entries {
                assert_eq!(entry.running_balance, balance);
                assert!(
                    entry.amount.is_positive()
                        && (entry.entry_type == EntryType::Credit)
                            == entry.movement().is_positive()
                );
                balance = balance.checked_sub(entry.movement()).unwrap();
            }
            assert_eq!(balance, page.opening_balance);

            let summary = statements::daily_summary(&bank.database, account, from, days)
                .await
                .unwrap();
            let today: Vec<_> = postings
                .iter()
                .filter(|(at, _)| (starts_at..starts_at + Duration::days(1)).contains(at))
                .map(|(_, amount)| *amount)
                .collect();
            assert_eq!(summary.transaction_count, today.len() as i64);
            assert_eq!(
                summary.total_credits,
                sum(today.iter().filter(|amount| amount.is_positive()))
            );
            assert_eq!(
                summary.total_debits.negated(),
                sum(today.iter().filter(|amount| !amount.is_positive()))
            );
            assert_eq!(
                (summary.opening_balance, summary.closing_balance),
                (before, before.checked_add(sum(today.iter())).unwrap())
            );
        }
    }
    bank.assert_sound().await;
}
