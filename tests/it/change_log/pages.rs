//! Pages of changes, and the indexes that serve them.

use neobank_db::{Executor, statement};
use neobank_domain::change_log::{self, ChangeFilter, ChangeLogError};
use neobank_domain::{AccountId, CustomerId, accounts};

use crate::harness::{TestBank, czk, explain};

on_both_versions!(
    pages_show_each_change_once_while_others_are_made,
    wrong_filters_are_rejected,
    indexes_serve_the_lists_of_a_large_log,
);

async fn toggle(bank: &TestBank, account: AccountId) {
    accounts::freeze(&bank.database, account).await.unwrap();
    accounts::unfreeze(&bank.database, account).await.unwrap();
}

async fn pages_show_each_change_once_while_others_are_made(bank: TestBank) {
    let account = bank.account(czk("1")).await;
    for _ in 0..10 {
        toggle(&bank, account).await;
    }
    for filter in [
        ChangeFilter::default(),
        ChangeFilter::default().with_account(account),
    ] {
        let before = change_log::list(&bank.database, &filter).await.unwrap();
        let mut filter = filter.with_limit(4);
        let mut seen = Vec::new();
        loop {
            let page = change_log::list(&bank.database, &filter).await.unwrap();
            assert!(page.changes.len() <= 4);
            seen.extend(page.changes);
            toggle(&bank, account).await;
            let Some(next) = page.next else { break };
            filter.after = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(seen, before.changes);
    }
}

async fn wrong_filters_are_rejected(bank: TestBank) {
    let plain = ChangeFilter::default;
    let now = chrono::Utc::now();
    let earlier = now - chrono::TimeDelta::days(1);
    for (filter, expected) in [
        (plain().with_limit(0), "1 to 1000"),
        (plain().with_limit(1_001), "1 to 1000"),
        (plain().with_from(now).with_until(earlier), "range of time"),
        (plain().with_account(AccountId::new()), "unknown account"),
        (plain().with_customer(CustomerId::new()), "unknown customer"),
    ] {
        let error = change_log::list(&bank.database, &filter).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error:?}");
    }
    for text in ["", "0", "-1", "x", "1.5"] {
        let error = text.parse::<change_log::ChangeCursor>().unwrap_err();
        assert!(matches!(error, ChangeLogError::Cursor { .. }), "{text}");
    }
}

async fn indexes_serve_the_lists_of_a_large_log(bank: TestBank) {
    let account = bank.account(czk("1")).await;
    let customer = bank.find(account).await.customer_id.unwrap();
    toggle(&bank, account).await;
    let superuser = bank.superuser().await;
    for sql in [
        "ALTER TABLE banking.change_log DISABLE TRIGGER USER",
        "INSERT INTO banking.change_log (table_name, operation, customer_id, account_id, database_role, new_values)
         SELECT 'accounts', 'update', gen_random_uuid(), gen_random_uuid(), 'filler', '{}'
         FROM generate_series(1, 20000)",
        "ALTER TABLE banking.change_log ENABLE ALWAYS TRIGGER change_log_append_only",
        "ALTER TABLE banking.change_log ENABLE ALWAYS TRIGGER change_log_follows_changes",
        "ANALYZE banking.change_log",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    let first = change_log::list(&bank.database, &ChangeFilter::default().with_limit(5)).await;
    let next = first.unwrap().next;
    for (filter, index) in [
        (ChangeFilter::default(), "change_log_pkey"),
        (ChangeFilter::default().with_after(next), "change_log_pkey"),
        (
            ChangeFilter::default().with_account(account),
            "change_log_account_id_index",
        ),
        (
            ChangeFilter::default().with_customer(customer),
            "change_log_customer_id_index",
        ),
    ] {
        let query = change_log::list_query(&filter).unwrap();
        let plan = explain(&superuser, query).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{plan}");
    }
}
