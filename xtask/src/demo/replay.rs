//! The replay of the bank's year.

use std::collections::HashMap;
use std::time::Instant;

use neobank_db::Database;
use neobank_domain::import::{self, History};
use neobank_domain::{AccountId, Currency};

use super::heading;
use crate::files::Files;
use crate::progress;

/// The result of the replay, for the rest of the demo.
pub(super) struct Replayed {
    pub(super) all_equal: bool,
    /// An account with many entries, and its number in the source.
    pub(super) shown: (AccountId, String),
    /// Every account that has money.
    pub(super) accounts: Vec<AccountId>,
}

pub(super) async fn run(database: &Database) -> anyhow::Result<Replayed> {
    heading("A real bank's year: every transaction of 1993 through the ledger");
    let history =
        Files::of_the_repository().read("czech-bank-1999", Currency::from_code("CZK")?)?;
    let count = history.transactions.len();
    let started = Instant::now();
    let bar = progress::bar(count, "transactions");
    let report = import::run(database, &history, |done| {
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    })
    .await?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "  {} customers, {} accounts and {} transactions in {seconds:.1} s: {:.0} transactions a second",
        report.customers,
        report.accounts,
        report.posted,
        per_second(count, seconds)
    );

    let comparison = import::compare(database, &history).await?;
    println!(
        "  {} of {} running balances are equal to those that the bank itself recorded",
        thousands(comparison.equal),
        thousands(count)
    );
    for difference in comparison.different.iter().take(5) {
        println!(
            "  line {}: recorded {}, ours {:?}",
            difference.line, difference.recorded, difference.running
        );
    }
    Ok(Replayed {
        all_equal: comparison.equal == count,
        shown: busiest(&history),
        accounts: with_money(&history),
    })
}

/// Returns the account with the most transactions of different kinds.
fn busiest(history: &History) -> (AccountId, String) {
    let mut kinds: HashMap<AccountId, (std::collections::HashSet<&str>, usize, &str)> =
        HashMap::new();
    for line in &history.transactions {
        let entry = kinds.entry(line.account_id).or_default();
        entry.0.insert(&line.request.description);
        entry.1 += 1;
        entry.2 = &line.account;
    }
    kinds
        .into_iter()
        .max_by_key(|(account, (kinds, count, _))| (kinds.len(), *count, *account))
        .map(|(account, (_, _, source))| (account, source.to_owned()))
        .unwrap_or_else(|| (AccountId::new(), String::new()))
}

fn with_money(history: &History) -> Vec<AccountId> {
    let mut last = HashMap::new();
    for line in &history.transactions {
        last.insert(line.account_id, line.recorded_balance);
    }
    let mut accounts: Vec<_> = last
        .into_iter()
        .filter(|(_, balance)| balance.is_positive())
        .map(|(account, _)| account)
        .collect();
    accounts.sort();
    accounts
}

#[expect(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "a rate for people to read"
)]
pub(super) fn per_second(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds.max(0.001)
}

/// Formats 28205 as 28,205.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [0, 12, 999, 1_000, 28_205, 1_234_567].map(thousands),
            ["0", "12", "999", "1,000", "28,205", "1,234,567"]
        );
    }
}
