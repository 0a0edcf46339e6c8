//! The journal in the database: who may do what, and what the database itself refuses.

mod accounts;
mod append_only;
mod attacker;
mod entries;
mod history;
mod money;
mod post_transfers;
mod roles;

use neobank_db::{Database, Executor, statement};

use crate::harness::TestBank;

/// Runs statements that must fail with this SQLSTATE and change nothing. They run in one transaction, the last one fails.
pub(crate) async fn assert_refused(
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
