//! Comparison of the running balances in the journal with those that the bank recorded.

use std::collections::HashMap;

use neobank_db::Executor;
use neobank_entity::banking::{transactions, transfers};
use neobank_entity::{FromColumn, FromRow, RowError};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{History, ImportError, query};
use crate::Money;

/// The result of comparing the balances in the journal with those that the bank recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// The number of balances that are equal.
    pub equal: usize,
    /// The balances that differ or are missing, in the order of the file.
    pub different: Vec<Difference>,
}

/// A balance in the journal that differs from the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The line number in the file of transactions, from 1.
    pub line: u64,
    /// The balance that the bank recorded.
    pub recorded: Money,
    /// The running balance in the journal, in major units; `None` when the journal does not have
    /// the transaction.
    pub running: Option<Decimal>,
}

/// The most idempotency keys in one query.
const CHUNK: usize = 5_000;

/// The running balance of one entry, with the idempotency key of its transfer.
struct Balance {
    key: String,
    account_id: Uuid,
    running_balance: Decimal,
}

impl FromRow for Balance {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        use transactions::Column;
        Ok(Self {
            key: FromColumn::from_column(row, transfers::Column::IdempotencyKey.as_str())?,
            account_id: FromColumn::from_column(row, Column::AccountId.as_str())?,
            running_balance: FromColumn::from_column(row, Column::RunningBalance.as_str())?,
        })
    }
}

/// Reads every running balance of a history from the journal, and compares it with the recorded
/// one.
///
/// # Errors
///
/// [`ImportError::Database`].
pub async fn compare(on: &impl Executor, history: &History) -> Result<Comparison, ImportError> {
    let mut comparison = Comparison::default();
    for chunk in history.transactions.chunks(CHUNK) {
        let keys: Vec<String> = chunk
            .iter()
            .filter_map(|line| line.request.idempotency_key.clone())
            .collect();
        let rows: Vec<Balance> = on.fetch_many(query::balances(keys)).await?;
        let found: HashMap<(&str, Uuid), Decimal> = rows
            .iter()
            .map(|row| ((row.key.as_str(), row.account_id), row.running_balance))
            .collect();
        for line in chunk {
            let key = line.request.idempotency_key.as_deref().unwrap_or_default();
            let running = found.get(&(key, line.account_id.as_uuid())).copied();
            if running == Some(line.recorded_balance.amount()) {
                comparison.equal = comparison.equal.saturating_add(1);
            } else {
                let recorded = line.recorded_balance;
                comparison.different.push(Difference {
                    line: line.line,
                    recorded,
                    running,
                });
            }
        }
    }
    Ok(comparison)
}
