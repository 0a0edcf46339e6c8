//! Balances change only through the journal, and accounts are never deleted.

use neobank_db::{Executor, statement};
use neobank_domain::ledger::SystemAccount;

use super::assert_rejected;
use crate::harness::{TestBank, czk};

on_both_versions!(
    balance_change_outside_the_journal_is_rejected,
    deleting_or_truncating_accounts_is_rejected,
    account_with_inconsistent_terms_is_rejected,
    opening_with_a_balance_is_rejected,
);

async fn balance_change_outside_the_journal_is_rejected(bank: TestBank) {
    let account = bank.account(czk("10")).await;
    let superuser = bank.superuser().await;
    for column in [
        "current_balance = current_balance + 1",
        "held_balance = 1",
        "last_entry_number = 5",
        "last_entry_at = now()",
        "account_id = gen_random_uuid()",
        "currency_code = 'EUR'",
        "minor_units = 4",
        "time_zone = 'UTC', current_balance = 0",
    ] {
        let sql = format!("UPDATE banking.accounts SET {column} WHERE account_id = '{account}'");
        assert_rejected(&bank, &bank.database, &sql, "42501").await;
        assert_rejected(&bank, &superuser, &sql, "NB003").await;
    }
    let upsert = format!(
        "INSERT INTO banking.accounts (account_id, customer_id, account_type, currency_code, minor_units)
         SELECT account_id, customer_id, account_type, currency_code, minor_units FROM banking.accounts WHERE account_id = '{account}'
         ON CONFLICT (account_id) DO UPDATE SET current_balance = 1000"
    );
    assert_rejected(&bank, &bank.database, &upsert, "42501").await;
    assert_rejected(&bank, &superuser, &upsert, "NB003").await;
    for column in [
        "version = 1",
        "customer_id = NULL",
        "account_number = 'X'",
        "account_type = 'savings'",
        "created_at = now()",
    ] {
        let sql = format!("UPDATE banking.accounts SET {column} WHERE account_id = '{account}'");
        assert_rejected(&bank, &bank.database, &sql, "42501").await;
    }
}

async fn deleting_or_truncating_accounts_is_rejected(bank: TestBank) {
    let account = bank.account(czk("10")).await;
    let superuser = bank.superuser().await;
    for sql in [
        "DELETE FROM banking.accounts WHERE current_balance = 0",
        &format!("DELETE FROM banking.accounts WHERE account_id = '{account}'"),
        "TRUNCATE banking.accounts CASCADE",
        "TRUNCATE banking.customers CASCADE",
        "TRUNCATE banking.currencies CASCADE",
        "TRUNCATE banking.customer_preferences, banking.account_limits, banking.transactions, banking.transfers, banking.accounts, banking.customers",
    ] {
        assert_rejected(&bank, &bank.database, sql, "42501").await;
        assert_rejected(&bank, &superuser, sql, "NB003").await;
    }
    // The rejection does not only come from the foreign keys of the journal.
    let one_table = "DROP TRIGGER transactions_append_only ON banking.transactions; \
         DROP TRIGGER transfers_append_only ON banking.transfers; TRUNCATE banking.accounts CASCADE";
    assert_rejected(&bank, &superuser, one_table, "NB003").await;
    assert_rejected(&bank, &superuser, "DELETE FROM banking.customers", "23503").await;
    assert_rejected(
        &bank,
        &bank.database,
        "DELETE FROM banking.customers",
        "42501",
    )
    .await;
    assert_rejected(
        &bank,
        &superuser,
        "UPDATE banking.currencies SET minor_units = 3 WHERE currency_code = 'CZK'",
        "23503",
    )
    .await;
}

async fn opening_with_a_balance_is_rejected(bank: TestBank) {
    let account = bank.account(czk("10")).await;
    let superuser = bank.superuser().await;
    for (column, value) in [
        ("current_balance", "1"),
        ("current_balance", "-1"),
        ("held_balance", "1"),
        ("last_entry_number", "1"),
        ("last_entry_at", "now()"),
    ] {
        let sql = format!(
            "INSERT INTO banking.accounts (account_id, customer_id, account_type, currency_code, minor_units, overdraft_limit, {column})
             SELECT gen_random_uuid(), customer_id, 'checking', 'CZK', 2, 5, {value} FROM banking.accounts WHERE account_id = '{account}'"
        );
        assert_rejected(&bank, &bank.database, &sql, "42501").await;
        assert_rejected(&bank, &superuser, &sql, "NB003").await;
    }
    let external = SystemAccount::External.id(czk("0").currency());
    assert_eq!(bank.balance(external).await, czk("-10"));
}

/// The database rejects these terms in every role's SQL, the owner's included.
async fn account_with_inconsistent_terms_is_rejected(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let superuser = bank.superuser().await;
    let breaking = [
        ("account_type = 'gold'", "account_type_is_known"),
        ("account_status = 'asleep'", "account_status_is_known"),
        ("held_balance = -1", "accounts_held_balance_not_negative"),
        (
            "overdraft_limit = -1",
            "accounts_overdraft_limit_not_negative",
        ),
        ("time_zone = 'CET'", "accounts_time_zone_is_a_name"),
        ("time_zone = 'Europe/Prag'", "22023"),
        ("opened_at = '-infinity'", "accounts_opened_at_range"),
        (
            "account_status = 'closed', closed_at = 'infinity'",
            "accounts_closed_at_range",
        ),
        ("customer_id = NULL", "accounts_system_has_no_owner"),
        ("overdraft_limit = NULL", "accounts_system_has_no_limit"),
        ("account_status = 'closed'", "accounts_closed_has_a_time"),
        ("closed_at = now()", "accounts_closed_has_a_time"),
    ];
    // The trigger on balances fires before the checks of the held amount.
    let setting = "SET LOCAL neobank.posting = 'on'";
    for (change, expected) in breaking {
        let transaction = superuser.begin().await.unwrap();
        transaction.execute(statement(setting, [])).await.unwrap();
        let sql = format!("UPDATE banking.accounts SET {change} WHERE account_id = '{account}'");
        let error = transaction.execute(statement(&sql, [])).await.unwrap_err();
        let found = error
            .constraint()
            .unwrap_or(&error.server().unwrap().sqlstate)
            .to_owned();
        assert_eq!(found, expected, "{change}: {error:?}");
    }
    let sensible = "account_status = 'closed', closed_at = now(), time_zone = 'Europe/Prague'";
    let sql = format!("UPDATE banking.accounts SET {sensible} WHERE account_id = '{account}'");
    assert_eq!(superuser.execute(statement(&sql, [])).await.unwrap(), 1);
}
