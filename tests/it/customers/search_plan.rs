//! The SQL of the search: its text, its result, and its plan on the index.

use neobank_db::{Executor, statement};
use neobank_domain::customers::{self, CustomerFilter, CustomerStatus, CustomerType, search_query};
use sea_query::PostgresQueryBuilder;

use super::{created, person};
use crate::harness::{TestBank, explain};

on_both_versions!(
    search_sql_matches_its_snapshot_and_runs,
    page_behind_a_cursor_is_read_from_the_index,
);

fn everything() -> CustomerFilter {
    CustomerFilter::default()
        .with_email(Some(r"a%_\".to_owned()))
        .with_phone(Some("42".to_owned()))
        .with_status(CustomerStatus::Active)
        .with_customer_type(CustomerType::Individual)
        .with_limit(10)
        .with_after(Some(
            "253402214400000000.ffffffffffff7fffbfffffffffffffff"
                .parse()
                .unwrap(),
        ))
}

async fn search_sql_matches_its_snapshot_and_runs(bank: TestBank) {
    let filters = [
        ("without a filter", CustomerFilter::default()),
        ("everything", everything()),
        (
            "second of two with an offset",
            CustomerFilter::default().with_offset(1).with_limit(1),
        ),
    ];
    let text: String = filters
        .iter()
        .map(|(name, filter)| {
            let (sql, values) = search_query(filter).build(PostgresQueryBuilder);
            let values: Vec<_> = values
                .iter()
                .map(|value| format!("  {value:?}\n"))
                .collect();
            format!("-- {name}\n{sql}\n{}", values.concat())
        })
        .collect();
    insta::assert_snapshot!("customer_search", text);

    let first = created(&bank, &person(r"xA%_\x@example.org", "42")).await;
    let second = created(&bank, &person("other@example.org", "42")).await;
    for ((name, filter), expected) in
        filters
            .iter()
            .zip([vec![&second, &first], vec![&first], vec![&first]])
    {
        let (sql, values) = search_query(filter).build(PostgresQueryBuilder);
        let rows = bank.database.query(statement(&sql, values)).await.unwrap();
        assert_eq!(rows.len(), expected.len(), "{name}");
        let page = customers::search(&bank.database, filter).await.unwrap();
        assert_eq!(
            page.customers.iter().collect::<Vec<_>>(),
            expected,
            "{name}"
        );
    }
}

async fn page_behind_a_cursor_is_read_from_the_index(bank: TestBank) {
    let superuser = bank.superuser().await;
    superuser
        .execute(statement(
            "INSERT INTO banking.customers (customer_id, first_name, last_name, created_at)
             SELECT gen_random_uuid(), 'A', 'B', timestamptz '2020-01-01' + n * interval '1 second'
             FROM generate_series(1, 20000) AS n",
            [],
        ))
        .await
        .unwrap();
    superuser
        .execute(statement("ANALYZE banking.customers", []))
        .await
        .unwrap();
    let mut filter = CustomerFilter::default().with_limit(50).with_offset(9_000);
    let next = customers::search(&bank.database, &filter)
        .await
        .unwrap()
        .next;
    filter = CustomerFilter::default().with_limit(50).with_after(next);
    let (sql, values) = search_query(&filter).build(PostgresQueryBuilder);
    let plan = explain(&bank.database, statement(&sql, values)).await;
    assert!(
        plan.contains("Index Scan using customers_created_at_index"),
        "{plan}"
    );
    assert!(
        plan.contains("Index Cond: (ROW(created_at, customer_id) <"),
        "{plan}"
    );
    assert!(
        !plan.contains("Sort") && !plan.contains("Seq Scan"),
        "{plan}"
    );
    assert!(plan.contains("rows=51"), "{plan}");
}
