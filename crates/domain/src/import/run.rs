//! Writes a history through the ledger.

use std::collections::{HashMap, HashSet};

use neobank_db::{Database, Executor, FromQueryResult, Transaction, statement};
use uuid::Uuid;

use super::line::TransactionLine;
use super::{History, ImportError};
use crate::accounts::{self, NewAccount};
use crate::customers::{self, NewCustomer};
use crate::ledger::{Ledger, Outcome, Request};
use crate::{AccountType, Money};

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
/// the bank recorded.
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
    let mut report = ImportReport {
        customers: create_customers(transaction, history).await?,
        accounts: open_accounts(transaction, history).await?,
        ..ImportReport::default()
    };
    for chunk in history.transactions.chunks(CHUNK) {
        let requests: Vec<Request> = chunk
            .iter()
            .map(|line| line.request.clone().into())
            .collect();
        let outcomes = Ledger::submit_all_in(transaction, &requests).await?;
        for (line, outcome) in chunk.iter().zip(outcomes) {
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
        // The source has no names.
        let new = NewCustomer {
            customer_id: line.customer_id,
            date_of_birth: line.date_of_birth,
            ..NewCustomer::individual("Client", line.source_id.as_str())
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

async fn open_accounts(transaction: &Transaction, history: &History) -> Result<usize, ImportError> {
    let ids: Vec<Uuid> = history
        .accounts
        .iter()
        .map(|line| line.account_id.as_uuid())
        .collect();
    let known = existing(
        transaction,
        "SELECT account_id AS id FROM banking.accounts WHERE account_id = ANY ($1)",
        ids,
    )
    .await?;
    let owners: HashMap<&str, _> = history
        .customers
        .iter()
        .map(|line| (line.source_id.as_str(), line.customer_id))
        .collect();
    let limits = overdraft_limits(history);
    let mut opened = 0_usize;
    for line in history
        .accounts
        .iter()
        .filter(|line| !known.contains(&line.account_id.as_uuid()))
    {
        // Reading the files has made sure of the owner.
        let Some(owner) = owners.get(line.customer.as_str()) else {
            continue;
        };
        let mut new = NewAccount::new(*owner, AccountType::Checking, history.currency);
        new.account_id = line.account_id;
        new.opened_at = Some(line.opened_at);
        if let Some(limit) = limits.get(line.source_id.as_str()) {
            new.overdraft_limit = *limit;
        }
        accounts::open(transaction, &new)
            .await
            .map_err(|error| ImportError::Account {
                line: line.line,
                error,
            })?;
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
        .map_err(|refusal| ImportError::Refused {
            line: line.line,
            refusal,
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
