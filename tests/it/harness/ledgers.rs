//! Ledgers of the kinds that tests compare.

use neobank_db::Database;
use neobank_domain::Ledger;
use neobank_domain::ledger::group_commit::GroupCommitOptions;

/// Returns a ledger that gives each call a transaction of its own.
pub(crate) fn single(database: Database) -> Ledger {
    single_with_cache(database, Ledger::ACCOUNT_CACHE_CAPACITY)
}

/// As [`single`], with another capacity of the account cache.
pub(crate) fn single_with_cache(database: Database, accounts: usize) -> Ledger {
    let builder = Ledger::builder(database).account_cache_capacity(accounts);
    builder.without_group_commit().build().unwrap()
}

/// Returns a ledger with group commit and the default limits that shares the account cache of
/// another.
pub(crate) fn grouped(ledger: &Ledger) -> Ledger {
    ledger
        .with_group_commit(GroupCommitOptions::default())
        .unwrap()
}
