//! The schema, applied by a role that may log in and create roles, and nothing more.

use neobank_db::{Executor, statement};

use crate::harness::{TestBank, czk};

on_both_versions!(
    functions_of_the_schema_run_with_privileges_of_an_ordinary_role,
    owner_cannot_change_balances_with_the_setting_of_another_call,
);

async fn functions_of_the_schema_run_with_privileges_of_an_ordinary_role(bank: TestBank) {
    let superuser = bank.superuser().await;
    let owners = "SELECT string_agg(DISTINCT owner.rolname, ', ')
         FROM pg_catalog.pg_proc AS function
         JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = function.pronamespace
         JOIN pg_catalog.pg_roles AS owner ON owner.oid = function.proowner
         WHERE namespace.nspname IN ('banking', 'pooling', 'concurrency')";
    let owners: String = superuser.fetch_value(statement(owners, [])).await.unwrap();
    assert_eq!(owners, "neobank_owner");
    let rights = "SELECT rolsuper OR rolcreatedb OR rolreplication OR rolbypassrls
         FROM pg_catalog.pg_roles WHERE rolname = 'neobank_owner'";
    let privileged: bool = superuser.fetch_value(statement(rights, [])).await.unwrap();
    assert!(!privileged);
}

/// `post_transfers()` restores its setting: later statements of the same transaction are checked
/// like those of every other writer.
async fn owner_cannot_change_balances_with_the_setting_of_another_call(bank: TestBank) {
    let account = bank.account(czk("100.00")).await;
    let superuser = bank.superuser().await;
    let transaction = superuser.begin().await.unwrap();
    let posted = "SELECT current_setting('neobank.posting', true) FROM banking.post_transfers(
             '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
             '{}', '{}', '{}', '{}')";
    let setting: String = transaction
        .fetch_value(statement(posted, []))
        .await
        .unwrap();
    assert_eq!(setting, "off");
    let rejected = transaction
        .execute(statement(
            "UPDATE banking.accounts SET current_balance = 1 WHERE account_id = $1",
            [account.as_uuid().into()],
        ))
        .await
        .unwrap_err();
    assert!(
        rejected
            .to_string()
            .contains("balances change only through the journal"),
        "{rejected}"
    );
}
