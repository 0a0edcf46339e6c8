//! A column of money accepts amounts only.

use super::assert_rejected;
use crate::harness::{TestBank, czk};

on_both_versions!(
    invalid_amount_is_rejected_by_every_column,
    time_out_of_bounds_is_rejected
);

async fn invalid_amount_is_rejected_by_every_column(bank: TestBank) {
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let superuser = bank.superuser().await;
    let bad = [
        "'NaN'",
        "'Infinity'",
        "'-Infinity'",
        "0.00001",
        "1000000000000000000",
        "-1000000000000000000",
        "1e30",
        "NULL",
    ];
    for value in bad {
        let sqlstate = if value == "NULL" { "23502" } else { "23514" };
        let transfer = format!(
            "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
                 to_entry_number, amount, currency_code, posted_at)
             VALUES (gen_random_uuid(), 'transfer', '{from}', '{to}', 2, 1, {value}, 'CZK', now())"
        );
        let entry = |amount: &str, balance: &str| {
            format!(
                "INSERT INTO banking.transactions (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount,
                     currency_code, running_balance, transaction_date)
                 SELECT gen_random_uuid(), transfer_id, '{from}', 2, 'debit', {amount}, 'CZK', {balance}, now() FROM banking.transfers LIMIT 1"
            )
        };
        for sql in [transfer, entry(value, "1"), entry("1", value)] {
            assert_rejected(&bank, &bank.database, &sql, "42501").await;
            assert_rejected(&bank, &superuser, &sql, sqlstate).await;
        }
        // Only the bank's own accounts have no limit.
        let limit = format!(
            "UPDATE banking.accounts SET overdraft_limit = {value} WHERE account_id = '{from}'"
        );
        assert_rejected(&bank, &bank.database, &limit, "23514").await;
        for column in ["current_balance", "held_balance"] {
            let sql = format!(
                "ALTER TABLE banking.accounts DISABLE TRIGGER USER; UPDATE banking.accounts SET {column} = {value} WHERE account_id = '{from}'"
            );
            assert_rejected(&bank, &superuser, &sql, sqlstate).await;
        }
    }
    for amount in ["0", "-1"] {
        let sql = format!("SELECT CAST({amount} AS banking.amount)");
        assert_rejected(&bank, &bank.database, &sql, "23514").await;
    }
    // A fraction of the currency's minor unit, which the domain type admits.
    let limit =
        format!("UPDATE banking.accounts SET overdraft_limit = 0.001 WHERE account_id = '{from}'");
    assert_rejected(&bank, &bank.database, &limit, "23514").await;
    let limit = format!(
        "UPDATE banking.accounts SET overdraft_limit = 999999999999999999.99 WHERE account_id = '{from}'"
    );
    assert_rejected(&bank, &bank.database, &limit, "23514").await;
}

async fn time_out_of_bounds_is_rejected(bank: TestBank) {
    let superuser = bank.superuser().await;
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    for time in [
        "infinity",
        "-infinity",
        "0001-12-31 00:00:00+00 BC",
        "10000-01-01 00:00:00+00",
    ] {
        let sql = format!(
            "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
                 to_entry_number, amount, currency_code, posted_at)
             VALUES (gen_random_uuid(), 'transfer', '{from}', '{to}', 2, 1, 1, 'CZK', '{time}')"
        );
        assert_rejected(&bank, &superuser, &sql, "23514").await;
    }
    for column in ["opened_at", "closed_at"] {
        let sql = format!(
            "UPDATE banking.accounts SET {column} = 'infinity' WHERE account_id = '{from}'"
        );
        let sqlstate = if column == "opened_at" {
            "42501"
        } else {
            "23514"
        };
        assert_rejected(&bank, &bank.database, &sql, sqlstate).await;
    }
    for date in [
        "-infinity",
        "infinity",
        "5874897-12-31",
        "1849-12-31",
        "2099-01-01",
    ] {
        let sql = format!(
            "INSERT INTO banking.customers (customer_id, first_name, last_name, date_of_birth)
             VALUES (gen_random_uuid(), 'a', 'b', '{date}')"
        );
        assert_rejected(&bank, &bank.database, &sql, "23514").await;
    }
    // Every time in the schema has a check of its range, or only functions write it.
    for (table, column, values) in [
        ("concurrency.deadlock_log", "deadlock_time", ""),
        (
            "concurrency.lock_names",
            "first_used_at",
            "lock_key, namespace, identifier|1, 'a', 'b'",
        ),
        (
            "concurrency.commit_records",
            "recorded_at",
            "attempt_id, transaction_name, committed|gen_random_uuid(), 'a', true",
        ),
        (
            "pooling.pool_stats",
            "collected_at",
            "pool_name, client_connections, server_connections, server_active, server_idle, max_wait_ms, total_requests\
             |'a', 0, 0, 0, 0, 0, 0",
        ),
        (
            "banking.customers",
            "created_at",
            "customer_id, first_name, last_name|gen_random_uuid(), 'a', 'b'",
        ),
    ] {
        let (names, given) = values.split_once('|').unwrap_or(("", ""));
        let comma = if names.is_empty() { "" } else { ", " };
        for time in ["infinity", "-infinity", "9999-01-01", "0044-03-15 BC"] {
            let sql = format!(
                "INSERT INTO {table} ({names}{comma}{column}) VALUES ({given}{comma}'{time}')"
            );
            assert_rejected(&bank, &bank.database, &sql, "42501").await;
            assert_rejected(&bank, &superuser, &sql, "23514").await;
        }
    }
}
