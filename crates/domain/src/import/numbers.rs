//! The numbers that the database gave the customers and accounts of a history.

use std::collections::HashMap;

use neobank_db::{Executor, Statement};
use neobank_entity::{FromColumn, FromRow, RowError};
use serde::Serialize;
use uuid::Uuid;

use super::{History, ImportError, query};

/// The numbers of a history's customers and accounts, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Numbers {
    /// The customers that were imported.
    pub customers: Vec<Imported>,
    /// The accounts that were imported.
    pub accounts: Vec<Imported>,
}

/// A customer or an account of a source, with its identifier and number in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Imported {
    /// The identifier in the source.
    pub source_id: String,
    /// The identifier in the database.
    pub id: Uuid,
    /// The number that people use: the source's own where the files have one, else the one that the
    /// database made.
    pub number: String,
}

/// A customer or an account that the database has.
pub(super) struct Row {
    pub(super) id: Uuid,
    number: String,
}

impl FromRow for Row {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            id: FromColumn::from_column(row, query::ID)?,
            number: FromColumn::from_column(row, query::NUMBER)?,
        })
    }
}

/// Reads the numbers of a history's customers and accounts. It leaves out those that were not
/// imported.
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
        customers: read(on, query::customer_numbers, customers.collect()).await?,
        accounts: read(on, query::account_numbers, accounts.collect()).await?,
    })
}

async fn read(
    on: &impl Executor,
    query: impl Fn(Vec<Uuid>) -> Statement,
    wanted: Vec<(&str, Uuid)>,
) -> Result<Vec<Imported>, ImportError> {
    let ids: Vec<Uuid> = wanted.iter().map(|(_, id)| *id).collect();
    let rows: Vec<Row> = on.fetch_many(query(ids)).await?;
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
