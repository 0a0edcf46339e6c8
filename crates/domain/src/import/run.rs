//! Writes a history through the ledger.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use neobank_db::{Database, Executor, FromQueryResult, Transaction, statement};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::line::{AccountLine, TransactionLine, midnight};
use super::{History, ImportError};
use crate::accounts::{self, NewAccount};
use crate::customers::{self, NewCustomer};
use crate::ledger::{Ledger, Outcome, Request};
use crate::{AccountId, Money, shortened};

/// How many transactions go to the ledger at once, and so how often progress is told.
const CHUNK: usize = 500;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Customers that were created; those that were there before do not count.
    pub customers: usize,
    /// Accounts that were opened; those that were there before do not count.
    pub accounts: usize,
    /// Transactions that were posted.
    pub posted: usize,
    /// Transactions that had been imported before.
    pub replayed: usize,
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

/// Imports a history in one transaction, and holds each running balance against the one that the bank recorded. Tells
/// `progress` how many transactions are done.
///
/// The source does not say how far an account may be overdrawn; the limit that is agreed here is the lowest balance that
/// the bank recorded. Where a later file of the same source goes lower, the limit is widened; it is never narrowed.
///
/// The database acts as the role `neobank_import`, whose members alone may give the day on which an account was opened.
/// The outcome of a commit whose answer was lost is found by importing the same files again.
///
/// Dates are days of the account's time zone: a transaction is posted at the start of its day there.
///
/// # Errors
///
/// [`ImportError`] names the line; nothing was imported.
pub async fn run(
    database: &Database,
    history: &History,
    mut progress: impl FnMut(usize) + Send,
) -> Result<ImportReport, ImportError> {
    let mut transaction = database.begin().await?;
    let report = write(&mut transaction, history, &mut progress).await?;
    transaction.commit().await?;
    Ok(report)
}

async fn write(
    transaction: &mut Transaction,
    history: &History,
    progress: &mut (impl FnMut(usize) + Send),
) -> Result<ImportReport, ImportError> {
    let existing = existing_accounts(transaction, history).await?;
    let moments = Moments::read(transaction, history, &existing).await?;
    let mut report = ImportReport {
        customers: create_customers(transaction, history).await?,
        accounts: open_accounts(transaction, history, &existing, &moments).await?,
        ..ImportReport::default()
    };
    let zones: HashMap<AccountId, &str> = history
        .accounts
        .iter()
        .map(|line| (line.account_id, zone_of(line, &existing)))
        .collect();
    let mut lines: Vec<(DateTime<Utc>, &TransactionLine)> = history
        .transactions
        .iter()
        .map(|line| {
            let zone = zones.get(&line.account_id).copied().unwrap_or("UTC");
            (moments.start(zone, line.date), line)
        })
        .collect();
    // Accounts of several zones share the bank's own on the other side, whose times must not go back either.
    lines.sort_by_key(|(moment, _)| *moment);
    for chunk in lines.chunks(CHUNK) {
        let requests: Vec<Request> = chunk
            .iter()
            .map(|(moment, line)| line.request.clone().effective_at(*moment).into())
            .collect();
        let outcomes = Ledger::submit_all_in(transaction, &requests).await?;
        for ((_, line), outcome) in chunk.iter().zip(outcomes) {
            match &outcome {
                Outcome::Replayed(_) => report.replayed = report.replayed.saturating_add(1),
                _ => report.posted = report.posted.saturating_add(1),
            }
            check(line, outcome)?;
        }
        progress(report.posted.saturating_add(report.replayed));
    }
    Ok(report)
}

async fn create_customers(
    transaction: &Transaction,
    history: &History,
) -> Result<usize, ImportError> {
    let ids: Vec<Uuid> = history
        .customers
        .iter()
        .map(|line| line.customer_id.as_uuid())
        .collect();
    let known = existing(
        transaction,
        "SELECT customer_id AS id FROM banking.customers WHERE customer_id = ANY ($1)",
        ids,
    )
    .await?;
    let mut created = 0_usize;
    for line in history
        .customers
        .iter()
        .filter(|line| !known.contains(&line.customer_id.as_uuid()))
    {
        // A source without names has numbers only.
        let first_name = line.first_name.as_deref().unwrap_or("Client");
        let last_name = line.last_name.as_deref().unwrap_or(&line.source_id);
        let new = NewCustomer {
            customer_id: line.customer_id,
            date_of_birth: line.date_of_birth,
            email: line.email.clone(),
            phone_primary: line.phone.clone(),
            customer_type: line.customer_type,
            customer_number: line.customer_number.clone(),
            ..NewCustomer::individual(first_name, last_name)
        };
        customers::create(transaction, &new)
            .await
            .map_err(|error| ImportError::Customer {
                line: line.line,
                error,
            })?;
        created = created.saturating_add(1);
    }
    Ok(created)
}

/// An account that an earlier import opened.
#[derive(FromQueryResult)]
struct Existing {
    account_id: Uuid,
    time_zone: String,
    overdraft_limit: Option<Decimal>,
}

async fn existing_accounts(
    transaction: &Transaction,
    history: &History,
) -> Result<HashMap<AccountId, Existing>, ImportError> {
    let ids: Vec<Uuid> = history
        .accounts
        .iter()
        .map(|line| line.account_id.as_uuid())
        .collect();
    let sql = "SELECT account_id, time_zone, overdraft_limit::numeric FROM banking.accounts
               WHERE account_id = ANY ($1)";
    let rows: Vec<Existing> = transaction.fetch_many(statement(sql, [ids.into()])).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.account_id.into(), row))
        .collect())
}

/// The account's own zone once it is open: what was posted by its days stays where it is.
fn zone_of<'a>(line: &'a AccountLine, existing: &'a HashMap<AccountId, Existing>) -> &'a str {
    existing
        .get(&line.account_id)
        .map_or(line.time_zone.as_str(), |found| found.time_zone.as_str())
}

/// When the days of the files begin, as the server's time zones have it.
struct Moments(HashMap<(String, NaiveDate), DateTime<Utc>>);

#[derive(FromQueryResult)]
struct Unknown {
    time_zone: String,
}

#[derive(FromQueryResult)]
struct Start {
    time_zone: String,
    day: NaiveDate,
    starts_at: DateTime<Utc>,
}

impl Moments {
    async fn read(
        transaction: &Transaction,
        history: &History,
        existing: &HashMap<AccountId, Existing>,
    ) -> Result<Self, ImportError> {
        let zones: HashMap<AccountId, &str> = history
            .accounts
            .iter()
            .map(|line| (line.account_id, zone_of(line, existing)))
            .collect();
        let opened = history
            .accounts
            .iter()
            .map(|line| (zone_of(line, existing), line.opened_on));
        let moved = history
            .transactions
            .iter()
            .filter_map(|line| zones.get(&line.account_id).map(|zone| (*zone, line.date)));
        let asked: HashSet<(&str, NaiveDate)> = opened
            .chain(moved)
            .filter(|(zone, _)| *zone != "UTC")
            .collect();
        if asked.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        check_zones(transaction, history, existing).await?;
        let (names, days): (Vec<String>, Vec<NaiveDate>) = asked
            .into_iter()
            .map(|(zone, day)| (zone.to_owned(), day))
            .unzip();
        let sql = "SELECT asked.time_zone, asked.day,
                          banking.start_of_day(asked.day, asked.time_zone) AS starts_at
                   FROM unnest($1::text[], $2::date[]) AS asked (time_zone, day)";
        let rows: Vec<Start> = transaction
            .fetch_many(statement(sql, [names.into(), days.into()]))
            .await?;
        Ok(Self(
            rows.into_iter()
                .map(|row| ((row.time_zone, row.day), row.starts_at))
                .collect(),
        ))
    }

    fn start(&self, zone: &str, day: NaiveDate) -> DateTime<Utc> {
        let found = self.0.get(&(zone.to_owned(), day)).copied();
        found.unwrap_or_else(|| midnight(day))
    }
}

/// Every zone of the file is one that the server knows; asked before a wrong one ends the transaction.
async fn check_zones(
    transaction: &Transaction,
    history: &History,
    existing: &HashMap<AccountId, Existing>,
) -> Result<(), ImportError> {
    let zones: HashSet<&str> = history
        .accounts
        .iter()
        .map(|line| zone_of(line, existing))
        .collect();
    let names: Vec<String> = zones.into_iter().map(str::to_owned).collect();
    let sql = "SELECT asked.time_zone FROM unnest($1::text[]) AS asked (time_zone)
               WHERE asked.time_zone <> 'UTC' AND NOT EXISTS (
                   SELECT FROM pg_catalog.pg_timezone_names AS known WHERE known.name = asked.time_zone)";
    let unknown: Vec<Unknown> = transaction
        .fetch_many(statement(sql, [names.into()]))
        .await?;
    let wrong = history.accounts.iter().find(|line| {
        unknown
            .iter()
            .any(|unknown| unknown.time_zone == zone_of(line, existing))
    });
    match wrong {
        None => Ok(()),
        Some(line) => Err(ImportError::Field {
            file: AccountLine::FILE,
            line: line.line,
            field: "time_zone",
            value: shortened(&line.time_zone),
            reason: "not a time zone of the IANA database".to_owned(),
        }),
    }
}

async fn open_accounts(
    transaction: &Transaction,
    history: &History,
    existing: &HashMap<AccountId, Existing>,
    moments: &Moments,
) -> Result<usize, ImportError> {
    let owners: HashMap<&str, _> = history
        .customers
        .iter()
        .map(|line| (line.source_id.as_str(), line.customer_id))
        .collect();
    let limits = overdraft_limits(history);
    let mut opened = 0_usize;
    for line in &history.accounts {
        let limit = limits.get(line.source_id.as_str()).copied();
        let failed = |error| ImportError::Account {
            line: line.line,
            error,
        };
        if let Some(found) = existing.get(&line.account_id) {
            // A later file may show that the bank let the account go lower.
            if let (Some(limit), Some(agreed)) = (limit, found.overdraft_limit)
                && limit.amount() > agreed
            {
                accounts::set_overdraft_limit(transaction, line.account_id, limit)
                    .await
                    .map_err(failed)?;
            }
            continue;
        }
        // Reading the files has made sure of the owner.
        let Some(owner) = owners.get(line.customer.as_str()) else {
            continue;
        };
        let mut new = NewAccount::new(*owner, line.account_type, line.currency)
            .with_time_zone(&line.time_zone)
            .with_opened_at(moments.start(&line.time_zone, line.opened_on));
        new.account_id = line.account_id;
        new.account_number.clone_from(&line.account_number);
        if let Some(limit) = limit {
            new.overdraft_limit = limit;
        }
        accounts::open(transaction, &new).await.map_err(failed)?;
        opened = opened.saturating_add(1);
    }
    Ok(opened)
}

/// How far below zero the bank let each account go.
fn overdraft_limits(history: &History) -> HashMap<&str, Money> {
    let mut limits: HashMap<&str, Money> = HashMap::new();
    for line in &history.transactions {
        let below = line.recorded_balance.negated();
        if below.is_positive() {
            let limit = limits.entry(line.account.as_str()).or_insert(below);
            if below.amount() > limit.amount() {
                *limit = below;
            }
        }
    }
    limits
}

fn check(line: &TransactionLine, outcome: Outcome) -> Result<(), ImportError> {
    let receipt = outcome
        .into_receipt()
        .map_err(|rejection| ImportError::Rejected {
            line: line.line,
            account: line.account.clone(),
            rejection: Box::new(rejection),
        })?;
    let entry = if receipt.debit.account_id == line.account_id {
        receipt.debit
    } else {
        receipt.credit
    };
    if entry.running_balance == line.recorded_balance {
        return Ok(());
    }
    Err(ImportError::BalanceDiffers {
        line: line.line,
        account: line.account.clone(),
        recorded: line.recorded_balance,
        running: entry.running_balance,
    })
}

async fn existing(
    transaction: &Transaction,
    sql: &str,
    ids: Vec<Uuid>,
) -> Result<HashSet<Uuid>, ImportError> {
    let rows: Vec<Id> = transaction.fetch_many(statement(sql, [ids.into()])).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
