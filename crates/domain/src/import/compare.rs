//! Holds the journal, as the database has it, against what the bank recorded.

use std::collections::HashMap;

use neobank_db::{Executor, FromQueryResult, statement};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{History, ImportError};
use crate::Money;

/// How the balances in the journal compare with those that the bank recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Balances that are equal.
    pub equal: usize,
    /// Balances that are not, or that are not there.
    pub different: Vec<Difference>,
}

/// A balance that is not as the bank recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line in the file of transactions, from 1.
    pub line: u64,
    /// What the bank recorded.
    pub recorded: Money,
    /// What the journal says; `None` when it does not know the transaction.
    pub running: Option<Decimal>,
}

/// How many keys are asked for at once.
const CHUNK: usize = 5_000;

/// The entry of the customer's account, found by the key of its transfer.
const BALANCES: &str = "\
SELECT transfer.idempotency_key AS key, entry.account_id, entry.running_balance::numeric AS running_balance
FROM banking.transfers AS transfer
JOIN banking.transactions AS entry
    ON entry.account_id IN (transfer.from_account_id, transfer.to_account_id)
    AND entry.transaction_date = transfer.posted_at AND entry.transfer_id = transfer.transfer_id
WHERE transfer.idempotency_key = ANY ($1)";

#[derive(FromQueryResult)]
struct Balance {
    key: String,
    account_id: Uuid,
    running_balance: Decimal,
}

/// Reads every running balance of a history back from the journal.
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
        let rows: Vec<Balance> = on.fetch_many(statement(BALANCES, [keys.into()])).await?;
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
