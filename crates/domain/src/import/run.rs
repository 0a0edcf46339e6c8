//! Writing a history through the ledger.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use neobank_db::{Database, Executor, Transaction};
use neobank_entity::banking::accounts::Column;
use neobank_entity::{FromColumn, FromRow, RowError};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::line::{AccountLine, TransactionLine, midnight};
use super::{History, ImportError, numbers, query};
use crate::accounts::{self, NewAccount};
use crate::change_log;
use crate::customers::{self, NewCustomer};
use crate::ledger::{Ledger, Outcome, Request};
use crate::{AccountId, Money, shortened};

/// The number of transactions in one batch for the ledger, after each of which the import reports
/// its progress.
const CHUNK: usize = 500;

/// The numbers of objects that an import created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// The number of customers that were created, without those of an earlier import.
    pub customers: usize,
    /// The number of accounts that were opened, without those of an earlier import.
    pub accounts: usize,
    /// The number of transactions that were posted.
    pub posted: usize,
    /// The number of transactions that an earlier import had posted.
    pub replayed: usize,
}

/// Imports a history in one database transaction, and compares each running balance with the one
/// that the bank recorded.
///
/// The import calls `progress` after each batch of 500 transactions with the number of transactions
/// so far.
///
/// The source has no overdraft limits. The import sets each account's limit to the lowest balance
/// that the bank recorded. A later file of the same source may raise the limit; no file lowers it.
///
/// `database` must act as the role `neobank_import`: only its members may set the time at which an
/// account was opened. When the answer to the commit is lost, importing the same files again shows
/// its outcome.
///
/// Dates are days of the account's time zone: a transaction is posted at the start of its day in
/// that zone.
///
/// # Errors
///
/// [`ImportError`] names the line. Nothing was imported, except possibly after
/// [`DatabaseError::CommitUnknown`](neobank_db::DatabaseError::CommitUnknown).
pub async fn run(
    database: &Database,
    history: &History,
    mut progress: impl FnMut(usize) + Send,
) -> Result<ImportReport, ImportError> {
    let mut transaction = database.begin().await?;
    // The bank that has the history did not record who made it.
    change_log::need_no_actor(&transaction).await?;
    let ledger = Ledger::new(database.clone());
    let report = write(&ledger, &mut transaction, history, &mut progress).await?;
    transaction.commit().await?;
    Ok(report)
}

async fn write(
    ledger: &Ledger,
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
    // Accounts of several zones share the bank's own account on the other side, whose times must
    // not go back either.
    lines.sort_by_key(|(moment, _)| *moment);
    for chunk in lines.chunks(CHUNK) {
        let requests: Vec<Request> = chunk
            .iter()
            .map(|(moment, line)| line.request.clone().effective_at(*moment).into())
            .collect();
        let outcomes = ledger.submit_all_in(transaction, &requests).await?;
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
    let known = existing_customers(transaction, ids).await?;
    let mut created = 0_usize;
    for line in history
        .customers
        .iter()
        .filter(|line| !known.contains(&line.customer_id.as_uuid()))
    {
        // A source without names identifies its customers by numbers only.
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
struct Existing {
    account_id: Uuid,
    time_zone: String,
    overdraft_limit: Option<Decimal>,
}

impl FromRow for Existing {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            account_id: FromColumn::from_column(row, Column::AccountId.as_str())?,
            time_zone: FromColumn::from_column(row, Column::TimeZone.as_str())?,
            overdraft_limit: FromColumn::from_column(row, Column::OverdraftLimit.as_str())?,
        })
    }
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
    let rows: Vec<Existing> = transaction
        .fetch_many(query::existing_accounts(ids))
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.account_id.into(), row))
        .collect())
}

/// Returns the time zone of an account's dates: that of the open account, by whose days earlier
/// imports were posted, else that of the file.
fn zone_of<'a>(line: &'a AccountLine, existing: &'a HashMap<AccountId, Existing>) -> &'a str {
    existing
        .get(&line.account_id)
        .map_or(line.time_zone.as_str(), |found| found.time_zone.as_str())
}

/// The first moments of the days in the files, by the server's time zones. It has none for UTC.
struct Moments(HashMap<(String, NaiveDate), DateTime<Utc>>);

/// The name of a time zone that the server does not know.
struct Unknown(String);

impl FromRow for Unknown {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        FromColumn::from_column(row, query::TIME_ZONE).map(Self)
    }
}

/// The first moment of a day in a time zone.
struct Start {
    time_zone: String,
    day: NaiveDate,
    starts_at: DateTime<Utc>,
}

impl FromRow for Start {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            time_zone: FromColumn::from_column(row, query::TIME_ZONE)?,
            day: FromColumn::from_column(row, query::DAY)?,
            starts_at: FromColumn::from_column(row, query::STARTS_AT)?,
        })
    }
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
        let rows: Vec<Start> = transaction
            .fetch_many(query::starts_of_days(names, days))
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

/// Checks that the server knows every time zone of the file. An unknown one would fail in a later
/// statement and end the transaction, without the line.
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
    let unknown: Vec<Unknown> = transaction.fetch_many(query::unknown_zones(names)).await?;
    let wrong = history.accounts.iter().find(|line| {
        unknown
            .iter()
            .any(|Unknown(zone)| zone == zone_of(line, existing))
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
            // A later file may show that the bank let the balance fall lower.
            if let (Some(limit), Some(agreed)) = (limit, found.overdraft_limit)
                && limit.amount() > agreed
            {
                accounts::set_overdraft_limit(transaction, line.account_id, limit)
                    .await
                    .map_err(failed)?;
            }
            continue;
        }
        // `History::read_all` has checked that the owner has a line.
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

/// Returns the amount by which the bank let each account's balance fall below zero.
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

/// Checks that the ledger posted a transaction, and that the running balance is the recorded one.
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

async fn existing_customers(
    transaction: &Transaction,
    ids: Vec<Uuid>,
) -> Result<HashSet<Uuid>, ImportError> {
    let rows: Vec<numbers::Row> = transaction.fetch_many(query::customer_numbers(ids)).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
