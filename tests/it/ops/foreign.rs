//! Other databases, roles and broken rows: they are shown as far as possible, and never affect the
//! rest.

use std::time::Duration;

use neobank_db::{FromRow, statement};
use neobank_ops::bloat::indexes::IndexBloatRow;
use neobank_ops::{Cause, Monitor, Section, TableName};

use super::session::Session;
use super::{monitor_of, until};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    bytes_that_are_not_utf8_are_replaced,
    unreadable_row_is_omitted_and_counted,
    rejected_query_affects_only_its_section,
    passwords_are_hidden_and_statements_can_be_omitted,
    totals_of_idle_and_open_transactions_cover_all,
    parallel_workers_share_one_transaction,
    keywords_are_quoted_as_the_server_quotes_them,
    index_of_names_is_in_doubt,
    keys_of_64_bits_are_texts_in_json,
);

async fn bytes_that_are_not_utf8_are_replaced(empty: EmptyDatabase) {
    let home = Session::open(&empty.url).await;
    let name = format!("latin_{}", home.pid);
    home.run(&format!(
        "CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    ))
    .await;
    let end = empty.url.rfind('/').unwrap() + 1;
    let rest = empty.url[end..]
        .find('?')
        .map_or("", |at| &empty.url[end + at..]);
    let url = format!("{}{name}{rest}", &empty.url[..end]);
    {
        let guest = Session::open(&url).await;
        guest.run("BEGIN; SELECT 'caf\u{e9}'").await;
        let monitor = monitor_of(&empty.url).await;
        let texts = [
            monitor
                .sessions()
                .await
                .unwrap()
                .into_value()
                .unwrap()
                .into_iter()
                .find(|row| row.process_id == guest.pid)
                .and_then(|row| row.statement),
            monitor
                .long_transactions(Duration::ZERO)
                .await
                .unwrap()
                .into_value()
                .unwrap()
                .into_iter()
                .find(|row| row.process_id == guest.pid)
                .and_then(|row| row.query),
            monitor
                .idle_connections(Duration::ZERO)
                .await
                .unwrap()
                .into_value()
                .unwrap()
                .into_iter()
                .find(|row| row.process_id == guest.pid)
                .and_then(|row| row.query),
        ];
        for text in texts {
            assert_eq!(text.as_deref(), Some("BEGIN; SELECT 'caf\u{fffd}'"));
        }
    }
    home.run(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await;
}

async fn unreadable_row_is_omitted_and_counted(empty: EmptyDatabase) {
    let session = Session::open(&empty.url).await;
    session
        .run(
            "CREATE SCHEMA concurrency;
            CREATE TABLE concurrency.deadlock_log (log_id bigint, deadlock_time timestamptz, process_id integer,
                query_text text, lock_info jsonb, resolution text);
            INSERT INTO concurrency.deadlock_log VALUES (1, 'infinity')",
        )
        .await;
    let monitor = monitor_of(&empty.url).await;
    let section = monitor.deadlocks(24).await.unwrap();
    assert_eq!(section.reason().unwrap().cause, Cause::Unreadable);
    session
        .run("INSERT INTO concurrency.deadlock_log VALUES (2, now()), (3, 'infinity')")
        .await;
    let section = monitor.deadlocks(24).await.unwrap();
    let unreadable = section.unreadable().unwrap();
    assert_eq!(unreadable.rows, 2);
    assert!(
        unreadable.reason.contains("deadlock_time"),
        "{unreadable:?}"
    );
    let ids: Vec<_> = section
        .value()
        .unwrap()
        .iter()
        .map(|row| row.log_id)
        .collect();
    assert_eq!(ids, [2]);
}

#[derive(Debug, FromRow)]
struct Number {
    #[allow(dead_code, reason = "what is looked at is that there is none")]
    number: i32,
}

async fn rejected_query_affects_only_its_section(empty: EmptyDatabase) {
    let session = Session::open(&empty.url).await;
    session
        .run(
            "CREATE FUNCTION public.fail(code text) RETURNS integer LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION 'canceling statement due to conflict with recovery' USING ERRCODE = code; END$$",
        )
        .await;
    let monitor = monitor_of(&empty.url).await;
    for (code, cause) in [
        ("40001", Cause::Conflict),
        ("22012", Cause::Failed),
        ("0A000", Cause::Failed),
    ] {
        let sql = "SELECT public.fail($1) AS number";
        let section: Section<Vec<Number>> = monitor
            .section(statement(sql, [code.into()]))
            .await
            .unwrap();
        assert_eq!(section.reason().map(|reason| reason.cause), Some(cause));
    }
    assert!(monitor.sessions().await.unwrap().value().is_some());
}

async fn passwords_are_hidden_and_statements_can_be_omitted(empty: EmptyDatabase) {
    let session = Session::open(&empty.url).await;
    let role = format!("secretive_{}", session.pid);
    session
        .run(&format!("BEGIN; CREATE ROLE {role} PASSWORD 'hunter2'"))
        .await;
    let monitor = monitor_of(&empty.url).await;
    let shown = async |monitor: &Monitor| {
        let rows = monitor.idle_connections(Duration::ZERO).await.unwrap();
        let rows = rows.into_value().unwrap().into_iter();
        let mut rows = rows.filter(|row| row.process_id == session.pid);
        rows.next().unwrap().query
    };
    assert_eq!(
        shown(&monitor).await,
        Some(format!("BEGIN; CREATE ROLE {role} PASSWORD '…'"))
    );
    assert_eq!(shown(&monitor.without_statements()).await, None);
}

/// The totals cover sessions below the list's threshold.
async fn totals_of_idle_and_open_transactions_cover_all(empty: EmptyDatabase) {
    let session = Session::open(&empty.url).await;
    session.run("BEGIN").await;
    let monitor = monitor_of(&empty.url).await;
    let long = Duration::from_secs(100_000);
    let listed = monitor.idle_connections(long).await.unwrap();
    let listed = listed.into_value().unwrap();
    assert!(listed.iter().all(|row| row.process_id != session.pid));
    until("it has been idle for a while", async || {
        let totals = monitor.idle_totals(long).await.unwrap();
        let totals = totals.into_value().unwrap();
        let longest = totals.longest_in_transaction_seconds?;
        (totals.in_transaction > 0 && longest > 0.2).then_some(())
    })
    .await;
    let totals = monitor.transaction_totals(long).await.unwrap();
    let totals = totals.into_value().unwrap();
    assert_eq!(totals.long, 0);
    assert!(totals.longest_seconds > Some(0.2), "{totals:?}");
}

async fn parallel_workers_share_one_transaction(empty: EmptyDatabase) {
    let session = Session::open(&empty.url).await;
    let setting = if empty.version >= 16 {
        "debug_parallel_query"
    } else {
        "force_parallel_mode"
    };
    session.run(&format!("SET {setting} = on")).await;
    let sent = session.send("SELECT pg_catalog.pg_sleep(600)");
    let observer = Session::open(&empty.url).await;
    let sql = format!(
        "SELECT FROM pg_stat_activity WHERE leader_pid = {} AND backend_type = 'parallel worker' AND xact_start IS NOT NULL",
        session.pid
    );
    until("a worker sleeps", async || {
        assert!(!sent.is_finished());
        (!observer.rows(&sql).await.is_empty()).then_some(())
    })
    .await;
    let monitor = monitor_of(&empty.url).await;
    let rows = monitor.long_transactions(Duration::ZERO).await.unwrap();
    let rows = rows.into_value().unwrap();
    assert!(rows.iter().any(|row| row.process_id == session.pid));
    let workers = rows
        .iter()
        .filter(|row| row.backend_type.as_deref() == Some("parallel worker"));
    assert_eq!(workers.count(), 0);
    observer
        .run(&format!("SELECT pg_cancel_backend({})", session.pid))
        .await;
    assert!(sent.await.unwrap().is_err());
}

async fn keywords_are_quoted_as_the_server_quotes_them(empty: EmptyDatabase) {
    let session = Session::open(&empty.url).await;
    let rows = session
        .rows("SELECT word, quote_ident(word) FROM pg_get_keywords() ORDER BY word")
        .await;
    assert!(rows.len() > 400);
    let newest = empty.version == 18;
    for row in rows {
        let (word, expected): (String, String) = (row.get(0), row.get(1));
        let found = TableName::new(word.clone(), "t").to_string();
        // A keyword of a later version may be quoted earlier than necessary.
        let is_early = !newest && found == format!("\"{word}\".t");
        assert!(found == format!("{expected}.t") || is_early, "{found}");
    }
}

/// The index holds each name without its padding to 64 bytes.
async fn index_of_names_is_in_doubt(empty: EmptyDatabase) {
    let session = Session::open(&empty.url).await;
    for sql in [
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (n name NOT NULL)",
        "INSERT INTO s.t SELECT 'n' || n FROM generate_series(1, 20000) AS n",
        "CREATE UNIQUE INDEX names ON s.t (n)",
        "VACUUM (ANALYZE) s.t",
    ] {
        session.run(sql).await;
    }
    let monitor = monitor_of(&empty.url).await;
    let found = monitor.index_bloat(Some(&["s".to_owned()])).await.unwrap();
    let found: Vec<IndexBloatRow> = found.into_value().unwrap();
    assert!(!found[0].is_confident, "{found:?}");
    assert!(
        found[0].doubts.iter().any(|doubt| doubt.contains("names")),
        "{found:?}"
    );
}

async fn keys_of_64_bits_are_texts_in_json(empty: EmptyDatabase) {
    let (holder, waiter) = (
        Session::open(&empty.url).await,
        Session::open(&empty.url).await,
    );
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(9007199254740993)";
    holder.run(lock).await;
    waiter.wait(&Session::open(&empty.url).await, lock).await;
    let monitor = monitor_of(&empty.url).await;
    let report = monitor.blocking().await.unwrap();
    let json = serde_json::to_string(&report).unwrap();
    assert!(
        json.contains(r#""advisory_key":"9007199254740993""#),
        "{json}"
    );
}
