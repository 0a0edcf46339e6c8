//! The plans of statements: a page of a large account reads the page by the index, not the account.

use neobank_db::{Executor, statement};
use neobank_domain::statements::{self, Days, StatementRequest, daily_summary_query, page_query};

use super::{account_in, day};
use crate::harness::{TestBank, explain};

on_both_versions!(page_of_a_large_account_reads_only_the_page);

async fn page_of_a_large_account_reads_only_the_page(bank: TestBank) {
    let account = account_in(&bank, "Europe/Prague").await;
    let other = account_in(&bank, "UTC").await;
    // Past the triggers, since only the rows matter: one entry every 10 minutes, for two accounts
    // in turn.
    let superuser = bank.superuser().await;
    let transaction = superuser.begin().await.unwrap();
    for sql in [
        "SET LOCAL session_replication_role = replica".to_owned(),
        format!(
            "INSERT INTO banking.transactions (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount,
                 currency_code, running_balance, transaction_date)
             SELECT gen_random_uuid(), gen_random_uuid(), owner.account_id, n, 'credit', 1, 'CZK', n,
                    timestamptz '2020-01-01 00:00:00+00' + n * interval '10 minutes'
             FROM generate_series(1, 50000) AS n, (VALUES (uuid '{account}'), (uuid '{other}')) AS owner (account_id)"
        ),
    ] {
        transaction.execute(statement(&sql, [])).await.unwrap();
    }
    transaction.commit().await.unwrap();
    for analyzed in [false, true] {
        if analyzed {
            superuser
                .execute(statement("ANALYZE banking.transactions", []))
                .await
                .unwrap();
        }
        let mut request =
            StatementRequest::between(day("2020-01-01"), day("2021-01-01")).with_limit(50);
        for page in 0..2 {
            let plan = explain(&bank.database, page_query(account, &request).unwrap()).await;
            assert_small(&plan, 51, &format!("page {page}, analyzed {analyzed}"));
            request.after = statements::page(&bank.database, account, &request)
                .await
                .unwrap()
                .next;
        }
        let plan = explain(
            &bank.database,
            daily_summary_query(account, day("2020-06-15"), Days::OfAccount).unwrap(),
        )
        .await;
        // A day has 144 entries here, one every 10 minutes.
        assert_small(&plan, 144, &format!("summary, analyzed {analyzed}"));
    }
}

/// Asserts that no step of the plan returns more than `rows_max` rows, so that none sorts or reads
/// the account, and that the index finds the rows.
fn assert_small(plan: &str, rows_max: u64, what: &str) {
    assert!(
        plan.contains("transactions_account_and_date_key"),
        "{what}: {plan}"
    );
    assert!(!plan.contains("Seq Scan on transactions"), "{what}: {plan}");
    for line in plan.lines() {
        assert!(
            !line.contains("Rows Removed by Filter"),
            "{what}: {line}\n{plan}"
        );
        if let Some((_, rest)) = line.split_once("(actual rows=") {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            assert!(
                digits.parse::<u64>().unwrap() <= rows_max,
                "{what}: {line}\n{plan}"
            );
        }
    }
}
