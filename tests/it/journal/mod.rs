//! The journal in the database: the privileges of each role, and the changes that the database
//! rejects.

mod accounts;
mod append_only;
mod attacker;
mod entries;
mod history;
mod money;
mod post_transfers;
mod privileges;
mod roles;

use neobank_db::{Database, Executor, statement};

use crate::harness::TestBank;

/// Asserts that the last of these statements fails with this SQLSTATE, and that their transaction
/// changes nothing.
pub(crate) async fn assert_rejected(
    bank: &TestBank,
    database: &Database,
    sql: &str,
    sqlstate: &str,
) {
    let before = bank.fingerprint().await;
    let transaction = database.begin().await.unwrap();
    let statements: Vec<&str> = sql
        .split(';')
        .filter(|sql| !sql.trim().is_empty())
        .collect();
    for (place, sql) in statements.iter().enumerate() {
        let outcome = transaction.execute(statement(sql, [])).await;
        if place + 1 < statements.len() {
            outcome.unwrap_or_else(|error| panic!("{sql}: {error}"));
        } else {
            let error = outcome.expect_err(sql);
            let found = error.server().map(|server| server.sqlstate.as_str());
            assert_eq!(found, Some(sqlstate), "{sql}: {error:?}");
        }
    }
    assert!(transaction.commit().await.is_err(), "{sql}");
    assert_eq!(bank.fingerprint().await, before, "{sql}");
}
