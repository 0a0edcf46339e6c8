//! The plans of lists: a condition with an account, a key, a reference or an identifier is served by
//! an index; a list without conditions reads the primary key backwards, up to the limit.

use neobank_db::{Executor, statement};
use neobank_domain::GroupId;
use neobank_domain::transfers::{self, TransferFilter, list_query};

use crate::harness::{TestBank, czk, explain};
use crate::statements::{account_in, time};

on_both_versions!(indexes_serve_the_lists_of_a_large_journal);

async fn indexes_serve_the_lists_of_a_large_journal(bank: TestBank) {
    let account = account_in(&bank, "UTC").await;
    let other = account_in(&bank, "UTC").await;
    fill(&bank, account.to_string(), other.to_string()).await;
    let superuser = bank.superuser().await;
    let plain = TransferFilter::default;
    let one = transfers::list(&bank.database, &plain().with_limit(1)).await;
    let one = one.unwrap().transfers.remove(0);
    for analyzed in [false, true] {
        if analyzed {
            let sql = "ANALYZE banking.transactions, banking.transfers, banking.accounts";
            superuser.execute(statement(sql, [])).await.unwrap();
        }
        let later = plain().with_account(account).with_limit(50);
        let next = transfers::list(&bank.database, &later).await.unwrap().next;
        let after = plain().with_limit(50);
        let all_next = transfers::list(&bank.database, &after).await.unwrap().next;
        let of_account = "transactions_account_and_date_key";
        for (name, filter, index, rows_max) in [
            ("account", later.clone(), of_account, 51),
            (
                "its next page",
                later.clone().with_after(next),
                of_account,
                51,
            ),
            (
                "account and time",
                later
                    .clone()
                    .with_from(time("2020-03-01T00:00:00Z"))
                    .with_until(time("2020-03-01T05:00:00Z")),
                of_account,
                51,
            ),
            ("all", after.clone(), "transfers_pkey", 51),
            (
                "all, next page",
                after.with_after(all_next),
                "transfers_pkey",
                51,
            ),
            (
                "identifier",
                plain().with_transfer_id(one.transfer_id),
                "transfers_pkey",
                1,
            ),
            (
                "key",
                plain().with_idempotency_key("key 77".to_owned()),
                "transfers_idempotency_key_key",
                1,
            ),
            (
                "key and account",
                later.clone().with_idempotency_key("key 77".to_owned()),
                "transfers_idempotency_key_key",
                1,
            ),
            (
                "group",
                plain().with_group_id(GroupId::from(one.transfer_id.as_uuid())),
                "transfers_group_id_index",
                1,
            ),
            (
                "reversals",
                later.clone().with_reverses(one.transfer_id),
                "transfers_reverses_transfer_id_index",
                1,
            ),
        ] {
            let plan = explain(&bank.database, list_query(&filter).unwrap()).await;
            assert_small(
                &plan,
                index,
                rows_max,
                &format!("{name}, analyzed {analyzed}"),
            );
        }
    }
}

/// Fills the journal past the triggers, since only the rows matter: a transfer every 10 minutes.
async fn fill(bank: &TestBank, account: String, other: String) {
    let superuser = bank.superuser().await;
    let transaction = superuser.begin().await.unwrap();
    for sql in [
        "SET LOCAL session_replication_role = replica".to_owned(),
        format!(
            "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
                 to_entry_number, amount, currency_code, idempotency_key, request_hash, posted_at)
             SELECT md5(n::text)::uuid, 'transfer', uuid '{account}', uuid '{other}', n, n, 1, 'CZK', 'key ' || n,
                    sha256(n::text::bytea), timestamptz '2020-01-01 00:00:00+00' + n * interval '10 minutes'
             FROM generate_series(1, 30000) AS n"
        ),
        format!(
            "INSERT INTO banking.accounts (account_id, customer_id, account_number, account_type, currency_code, minor_units)
             SELECT md5(n::text)::uuid, owner.customer_id, 'N' || n, 'checking', 'CZK', 2
             FROM generate_series(1, 5000) AS n, banking.accounts AS owner WHERE owner.account_id = '{account}'"
        ),
        "INSERT INTO banking.transactions (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount,
             currency_code, running_balance, transaction_date)
         SELECT gen_random_uuid(), transfer_id, from_account_id, from_entry_number, 'debit', 1, 'CZK', - from_entry_number,
                posted_at
         FROM banking.transfers
         UNION ALL
         SELECT gen_random_uuid(), transfer_id, to_account_id, to_entry_number, 'credit', 1, 'CZK', to_entry_number, posted_at
         FROM banking.transfers"
            .to_owned(),
    ] {
        transaction.execute(statement(&sql, [])).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(bank.count("banking.transfers").await, 30_000);
    assert_eq!(czk("0"), bank.balance(account.parse().unwrap()).await);
}

/// Asserts that the index finds the rows, and that no step returns more than `rows_max` or removes
/// rows that it read.
fn assert_small(plan: &str, index: &str, rows_max: u64, what: &str) {
    assert!(plan.contains(index), "{what}: {plan}");
    for table in ["transactions", "transfers", "accounts"] {
        assert!(
            !plan.contains(&format!("Seq Scan on {table}")),
            "{what}: {plan}"
        );
    }
    assert!(!plan.contains("Rows Removed by Filter"), "{what}: {plan}");
    for line in plan.lines() {
        if let Some((_, rest)) = line.split_once("(actual rows=") {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            assert!(
                digits.parse::<u64>().unwrap() <= rows_max,
                "{what}: {line}\n{plan}"
            );
        }
    }
}
