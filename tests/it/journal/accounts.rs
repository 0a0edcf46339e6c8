//! Balances follow the journal and nothing else; accounts are never deleted.

use neobank_domain::ledger::SystemAccount;

use super::assert_refused;
use crate::harness::{TestBank, czk};

on_both_versions!(
    nothing_changes_a_balance_around_the_journal,
    accounts_are_neither_deleted_nor_truncated,
    accounts_are_not_opened_with_a_balance,
);

async fn nothing_changes_a_balance_around_the_journal(bank: TestBank) {
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
        assert_refused(&bank, &bank.database, &sql, "42501").await;
        assert_refused(&bank, &superuser, &sql, "NB003").await;
    }
    let upsert = format!(
        "INSERT INTO banking.accounts (account_id, customer_id, account_type, currency_code, minor_units)
         SELECT account_id, customer_id, account_type, currency_code, minor_units FROM banking.accounts WHERE account_id = '{account}'
         ON CONFLICT (account_id) DO UPDATE SET current_balance = 1000"
    );
    assert_refused(&bank, &bank.database, &upsert, "42501").await;
    assert_refused(&bank, &superuser, &upsert, "NB003").await;
    for column in [
        "version = 1",
        "customer_id = NULL",
        "account_number = 'X'",
        "account_type = 'savings'",
        "created_at = now()",
    ] {
        let sql = format!("UPDATE banking.accounts SET {column} WHERE account_id = '{account}'");
        assert_refused(&bank, &bank.database, &sql, "42501").await;
    }
}

async fn accounts_are_neither_deleted_nor_truncated(bank: TestBank) {
    let account = bank.account(czk("10")).await;
    let superuser = bank.superuser().await;
    for sql in [
        "DELETE FROM banking.accounts WHERE current_balance = 0",
        &format!("DELETE FROM banking.accounts WHERE account_id = '{account}'"),
        "TRUNCATE banking.accounts CASCADE",
        "TRUNCATE banking.customers CASCADE",
        "TRUNCATE banking.currencies CASCADE",
        "TRUNCATE banking.customer_preferences, banking.transactions, banking.transfers, banking.accounts, banking.customers",
    ] {
        assert_refused(&bank, &bank.database, sql, "42501").await;
        assert_refused(&bank, &superuser, sql, "NB003").await;
    }
    // Not only because the journal would go with them.
    let alone = "DROP TRIGGER transactions_append_only ON banking.transactions; \
         DROP TRIGGER transfers_append_only ON banking.transfers; TRUNCATE banking.accounts CASCADE";
    assert_refused(&bank, &superuser, alone, "NB003").await;
    assert_refused(&bank, &superuser, "DELETE FROM banking.customers", "23503").await;
    assert_refused(
        &bank,
        &bank.database,
        "DELETE FROM banking.customers",
        "42501",
    )
    .await;
    assert_refused(
        &bank,
        &superuser,
        "UPDATE banking.currencies SET minor_units = 3 WHERE currency_code = 'CZK'",
        "23503",
    )
    .await;
}

async fn accounts_are_not_opened_with_a_balance(bank: TestBank) {
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
        assert_refused(&bank, &bank.database, &sql, "42501").await;
        assert_refused(&bank, &superuser, &sql, "NB003").await;
    }
    let external = SystemAccount::External.id(czk("0").currency());
    assert_eq!(bank.balance(external).await, czk("-10"));
}
