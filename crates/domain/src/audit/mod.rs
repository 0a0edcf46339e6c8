//! Validates every invariant of the books.

use neobank_db::{DatabaseError, Executor, FromQueryResult};
use neobank_entity::functions::banking::Audit;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Violation {
    /// The name of the invariant.
    pub check_name: String,
    /// The account, entry, transfer, currency or guard that breaks it.
    pub subject: String,
    /// What was found.
    pub detail: String,
}

/// Every violation, in one snapshot; none means that the books are right. Reads every entry, so it takes as long as there
/// are many.
///
/// Entries of a transfer sum to zero; a balance is the sum of the account's entries and the last running balance; the
/// accounts of a currency sum to zero; no account is below its limit; entries are numbered without a gap; the guards of
/// the journal are in place, and no role but the owner may change what they guard; and more: see `banking.audit()`.
/// The command `neobank audit` also compares the whole schema with the one that was shipped
/// (`neobank_migration::status_within`). What neither can see stands in `docs/tampering.md`.
///
/// # Errors
///
/// [`DatabaseError`] when the database fails; the statement's limit may be too short for large books.
pub async fn violations(on: &impl Executor) -> Result<Vec<Violation>, DatabaseError> {
    on.fetch_many(Audit {}.statement()).await
}
