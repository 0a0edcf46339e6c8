//! The ledger: transfers, rejections, idempotency, batches, adjustments and concurrency.

mod account_cache;
mod adjustment;
mod attributes;
mod batch;
mod concurrency;
mod durability;
mod exchange;
mod group;
mod group_commit;
mod histories;
mod holds;
mod idempotency;
mod in_doubt;
mod network;
mod plans;
mod rejection;
mod reversal;
mod transfer;

use neobank_db::DatabaseError;
use neobank_domain::{LedgerError, Receipt};

/// Asserts that the deadline ended the call before the decision.
pub(crate) fn assert_exceeded(outcome: &Result<Receipt, LedgerError>) {
    assert!(
        matches!(
            outcome,
            Err(LedgerError::Database(
                DatabaseError::DeadlineExceeded { .. }
            ))
        ),
        "{outcome:?}"
    );
}
