//! The numbers that customers and accounts of a history have here.

use std::collections::HashMap;

use neobank_db::{Executor, FromQueryResult, statement};
use serde::Serialize;
use uuid::Uuid;

use super::{History, ImportError};

/// The numbers of a history's customers and accounts, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Numbers {
    /// The customers.
    pub customers: Vec<Imported>,
    /// The accounts.
    pub accounts: Vec<Imported>,
}

/// A customer or an account of a source, and its identifier and number here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Imported {
    /// The identifier in the source.
    pub source_id: String,
    /// The identifier here.
    pub id: Uuid,
    /// The number that people use: the source's own where the files have one.
    pub number: String,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    number: String,
}

const CUSTOMERS: &str = "SELECT customer_id AS id, customer_number AS number FROM banking.customers
    WHERE customer_id = ANY ($1)";
const ACCOUNTS: &str = "SELECT account_id AS id, account_number AS number FROM banking.accounts
    WHERE account_id = ANY ($1)";

/// Reads the numbers of a history's customers and accounts, as far as they were imported.
///
/// # Errors
///
/// [`ImportError::Database`].
pub async fn numbers(on: &impl Executor, history: &History) -> Result<Numbers, ImportError> {
    let customers = history.customers.iter();
    let customers = customers.map(|line| (line.source_id.as_str(), line.customer_id.as_uuid()));
    let accounts = history.accounts.iter();
    let accounts = accounts.map(|line| (line.source_id.as_str(), line.account_id.as_uuid()));
    Ok(Numbers {
        customers: read(on, CUSTOMERS, customers.collect()).await?,
        accounts: read(on, ACCOUNTS, accounts.collect()).await?,
    })
}

async fn read(
    on: &impl Executor,
    sql: &str,
    wanted: Vec<(&str, Uuid)>,
) -> Result<Vec<Imported>, ImportError> {
    let ids: Vec<Uuid> = wanted.iter().map(|(_, id)| *id).collect();
    let rows: Vec<Row> = on.fetch_many(statement(sql, [ids.into()])).await?;
    let mut found: HashMap<Uuid, String> =
        rows.into_iter().map(|row| (row.id, row.number)).collect();
    let imported = wanted.into_iter().filter_map(|(source_id, id)| {
        Some(Imported {
            source_id: source_id.to_owned(),
            id,
            number: found.remove(&id)?,
        })
    });
    Ok(imported.collect())
}
