//! The plan of a page: one look-up of each account's last entry, however many entries it has.

use neobank_db::{Executor, statement};
use neobank_domain::balances::{Balances, list_query, trial_balance_query};

use crate::harness::{TestBank, explain};
use crate::statements::{account_in, time};

on_both_versions!(balance_at_a_time_reads_one_entry_of_each_account);

async fn balance_at_a_time_reads_one_entry_of_each_account(bank: TestBank) {
    let (one, two) = (
        account_in(&bank, "UTC").await,
        account_in(&bank, "UTC").await,
    );
    // Past the triggers, since only the rows matter: an entry every 10 minutes.
    let superuser = bank.superuser().await;
    let transaction = superuser.begin().await.unwrap();
    for sql in [
        "SET LOCAL session_replication_role = replica".to_owned(),
        format!(
            "INSERT INTO banking.transactions (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount,
                 currency_code, running_balance, transaction_date)
             SELECT gen_random_uuid(), gen_random_uuid(), owner.account_id, n, 'credit', 1, 'CZK', n,
                    timestamptz '2020-01-01 00:00:00+00' + n * interval '10 minutes'
             FROM generate_series(1, 30000) AS n, (VALUES (uuid '{one}'), (uuid '{two}')) AS owner (account_id)"
        ),
    ] {
        transaction.execute(statement(&sql, [])).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let accounts = bank.count("banking.accounts").await;
    for analyzed in [false, true] {
        if analyzed {
            let sql = "ANALYZE banking.transactions, banking.accounts";
            superuser.execute(statement(sql, [])).await.unwrap();
        }
        for at in [
            "2020-01-01T00:00:00Z",
            "2020-04-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
        ] {
            let at = time(at);
            let page = list_query(&Balances::at(at)).unwrap();
            let named = list_query(&Balances::at(at).of([one])).unwrap();
            let trial = trial_balance_query(Some(at)).unwrap();
            for (what, statement) in [("page", page), ("named", named), ("trial balance", trial)] {
                let plan = explain(&bank.database, statement).await;
                assert!(
                    plan.contains("transactions_account_and_date_key"),
                    "{what}: {plan}"
                );
                assert!(!plan.contains("Seq Scan on transactions"), "{what}: {plan}");
                for line in plan.lines() {
                    // The accounts of this bank, and one entry of each.
                    if let Some((_, rest)) = line.split_once("(actual rows=") {
                        let digits: String =
                            rest.chars().take_while(char::is_ascii_digit).collect();
                        assert!(
                            digits.parse::<i64>().unwrap() <= accounts,
                            "{what}: {line}\n{plan}"
                        );
                    }
                }
            }
        }
    }
}
