//! The database keeps the change log append-only.

use neobank_db::{Executor, statement};
use neobank_domain::accounts;

use crate::harness::{TestBank, czk};

on_both_versions!(change_log_is_written_by_triggers_alone);

async fn change_log_is_written_by_triggers_alone(bank: TestBank) {
    let account = bank.account(czk("5")).await;
    accounts::freeze(&bank.database, account).await.unwrap();
    let superuser = bank.superuser().await;
    let rows =
        "SELECT string_agg(c::text, '/' ORDER BY change_number) FROM banking.change_log AS c";
    let before: String = bank
        .database
        .fetch_value(statement(rows, []))
        .await
        .unwrap();
    for sql in [
        "INSERT INTO banking.change_log (table_name, operation, database_role, new_values)
         VALUES ('accounts', 'update', 'eve', '{}')",
        "UPDATE banking.change_log SET actor = 'eve'",
        "DELETE FROM banking.change_log",
        "TRUNCATE banking.change_log",
    ] {
        for (database, expected) in [(&bank.database, "42501"), (&superuser, "NB003")] {
            let error = database.execute(statement(sql, [])).await.unwrap_err();
            let server = error.server().unwrap();
            assert_eq!(server.sqlstate, expected, "{sql}: {server:?}");
        }
    }
    let after: String = bank
        .database
        .fetch_value(statement(rows, []))
        .await
        .unwrap();
    assert_eq!(after, before);
}
