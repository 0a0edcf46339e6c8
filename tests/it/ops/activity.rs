//! Long transactions, cache hits, slow statements.

use std::time::Duration;

use neobank_ops::Cause;

use super::session::Session;
use super::{monitor_of, until};
use crate::harness::TestBank;

on_both_versions!(
    transaction_of_short_statements_is_long,
    hit_ratio_is_a_percentage,
    statements_are_found_in_any_schema_of_the_extension,
    slowest_statement_is_found_outside_the_list,
    missing_extension_has_a_reason,
);

async fn transaction_of_short_statements_is_long(bank: TestBank) {
    let (long, young) = (
        Session::open(bank.url()).await,
        Session::open(bank.url()).await,
    );
    long.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    long.run("SELECT 'still here'").await;
    // Without a transaction after its snapshot it holds nothing back.
    young.run("SELECT pg_catalog.pg_current_xact_id()").await;
    young.run("BEGIN; SELECT 1").await;
    let monitor = monitor_of(bank.url()).await;
    let rows = monitor
        .long_transactions(Duration::from_millis(1100))
        .await
        .unwrap()
        .into_value()
        .unwrap();
    let row = rows.iter().find(|row| row.process_id == long.pid).unwrap();
    assert!(
        row.transaction_seconds.unwrap() >= 1.1
            && row.statement_seconds.unwrap() < row.transaction_seconds.unwrap() - 1.0,
        "{row:?}"
    );
    assert_eq!(
        (row.state.as_deref(), row.query.as_deref()),
        (Some("idle in transaction"), Some("SELECT 'still here'"))
    );
    assert!(
        row.held_back_transactions.unwrap() >= 1,
        "its snapshot holds rows back: {row:?}"
    );
    assert!(
        rows.iter()
            .all(|row| row.transaction_seconds.unwrap() >= 1.1)
    );
    assert!(rows.is_sorted_by(|one, next| one.started_at <= next.started_at));
    let all = monitor
        .long_transactions(Duration::ZERO)
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert!(all.iter().any(|row| row.process_id == young.pid));
}

async fn hit_ratio_is_a_percentage(bank: TestBank) {
    let session = Session::open(bank.url()).await;
    session.run("CREATE TABLE public.t AS SELECT n FROM generate_series(1, 10000) AS n; SELECT count(*) FROM public.t").await;
    let own = session.rows("SELECT current_database()::text").await[0].get::<_, String>(0);
    drop(session);
    let monitor = monitor_of(bank.url()).await;
    until("the statistics of what was read", async || {
        let rows = monitor.cache_hits().await.unwrap().into_value().unwrap();
        let row = rows
            .into_iter()
            .find(|row| row.database.as_deref() == Some(&own))?;
        let (hit, read) = (row.blocks_hit as f64, row.blocks_read as f64);
        if hit == 0.0 {
            return None;
        }
        assert!(
            (row.hit_percent.unwrap() - 100.0 * hit / (hit + read)).abs() < 0.01,
            "{row:?}"
        );
        Some(())
    })
    .await;
}

async fn statements_are_found_in_any_schema_of_the_extension(bank: TestBank) {
    let session = Session::open(bank.url()).await;
    session
        .run("CREATE SCHEMA \"Ops \"\"x\"\".y\"; CREATE EXTENSION pg_stat_statements SCHEMA \"Ops \"\"x\"\".y\"")
        .await;
    for number in 0..3 {
        session
            .run(&format!("SELECT {number} AS counted_here"))
            .await;
    }
    session.run("SELECT pg_sleep(0.3) AS the_slow_one").await;
    let monitor = monitor_of(bank.url()).await;
    let rows = monitor
        .slow_statements(100)
        .await
        .unwrap()
        .into_value()
        .unwrap();
    let counted = rows
        .iter()
        .find(|row| row.query.as_deref() == Some("SELECT $1 AS counted_here"))
        .unwrap();
    assert_eq!((counted.calls, counted.rows), (3, 3));
    let slow = rows
        .iter()
        .find(|row| {
            row.query
                .as_deref()
                .is_some_and(|text| text.contains("the_slow_one"))
        })
        .unwrap();
    assert!(
        slow.mean_milliseconds >= 300.0 && slow.total_milliseconds >= slow.mean_milliseconds,
        "{slow:?}"
    );
    assert!(rows.is_sorted_by(|one, next| one.total_milliseconds >= next.total_milliseconds));
    assert_eq!(
        monitor
            .slow_statements(1)
            .await
            .unwrap()
            .into_value()
            .unwrap()
            .len(),
        1
    );
}

/// The statement took too little time in total to be in the list.
async fn slowest_statement_is_found_outside_the_list(bank: TestBank) {
    let session = Session::open(bank.url()).await;
    session
        .run("CREATE EXTENSION pg_stat_statements SCHEMA public")
        .await;
    for _ in 0..2 {
        session.run("SELECT 'rare', pg_sleep(0.2), 2.0").await;
    }
    // More time in total, less on average.
    for columns in ["pg_sleep(0.08)", "1, pg_sleep(0.08)", "pg_sleep(0.08), 1"] {
        for _ in 0..8 {
            session.run(&format!("SELECT {columns}")).await;
        }
    }
    let monitor = monitor_of(bank.url()).await;
    let listed = monitor.slow_statements(3).await.unwrap();
    let listed = listed.into_value().unwrap();
    assert!(listed.iter().all(|row| row.calls == 8), "{listed:?}");
    let totals = monitor.statement_totals(2).await.unwrap();
    let totals = totals.into_value().unwrap();
    assert!(
        totals.slowest_mean_milliseconds >= Some(200.0),
        "{totals:?}"
    );
    let none = monitor.statement_totals(1_000_000).await.unwrap();
    assert_eq!(none.value().unwrap().judged, 0);
}

async fn missing_extension_has_a_reason(bank: TestBank) {
    let monitor = monitor_of(bank.url()).await;
    let section = monitor.slow_statements(10).await.unwrap();
    let reason = section.reason().unwrap();
    assert_eq!(reason.cause, Cause::Missing);
    assert!(reason.detail.contains("pg_stat_statements"), "{reason}");
}
