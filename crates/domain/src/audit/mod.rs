//! The audit: validates every invariant of the ledger.

use neobank_db::{DatabaseError, Executor, FromRow};
use neobank_entity::functions::banking::Audit;

/// A violation of an invariant.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
#[non_exhaustive]
pub struct Violation {
    /// The name of the invariant.
    pub check_name: String,
    /// The account, entry, transfer, currency or trigger that violates the invariant.
    pub subject: String,
    /// The values that were found, as a text for people.
    pub detail: String,
}

impl Violation {
    /// Creates a violation of an invariant that `banking.audit()` does not validate.
    #[must_use]
    pub fn new(
        check_name: impl Into<String>,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            check_name: check_name.into(),
            subject: subject.into(),
            detail: detail.into(),
        }
    }
}

/// Returns every violation in one snapshot; an empty list means that every invariant holds.
///
/// The audit reads every entry of the journal, so that its duration grows with the journal.
///
/// `banking.audit()` validates among others that:
///
/// - the entries of a transfer sum to zero;
/// - a balance is the sum of the account's entries, and equals the last running balance;
/// - the balances of a currency sum to zero;
/// - no account is below its overdraft limit;
/// - the entries of an account are numbered without gaps;
/// - the triggers of the journal are in place, and only the owner has the privileges to change what
///   they guard.
///
/// The command `neobank audit` also compares the whole schema with the one that was shipped
/// (`neobank_migration::status_within`). `docs/tampering.md` lists what neither detects.
///
/// # Errors
///
/// [`DatabaseError`] when the database fails. The statement timeout may be too short for a large
/// journal.
pub async fn violations(on: &impl Executor) -> Result<Vec<Violation>, DatabaseError> {
    on.fetch_many(Audit {}.statement()).await
}
