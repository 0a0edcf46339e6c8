//! Indexes that cost more than they help.

use neobank_db::{Executor, statement};
use neobank_ops::indexes::{
    IndexFinding, IndexProblem, IndexUse, UNUSED_SECONDS_MIN, findings as judged,
};
use neobank_ops::{Monitor, MonitorLimits};

use super::monitor_of;
use super::session::Session;
use crate::harness::{EmptyDatabase, TestBank};

mod everywhere {
    use super::{
        each_index_problem_is_found, failed_rebuild_is_a_leftover_during_a_vacuum,
        hostile_names_are_found, index_for_a_foreign_key_is_not_proposed_for_removal,
        index_under_rebuild_is_no_finding, used_index_is_not_unused,
    };
    on_empty_databases!(
        each_index_problem_is_found,
        failed_rebuild_is_a_leftover_during_a_vacuum,
        index_for_a_foreign_key_is_not_proposed_for_removal,
        used_index_is_not_unused,
        index_under_rebuild_is_no_finding,
        hostile_names_are_found,
    );
}

on_both_versions!(
    indexes_of_the_schema_are_not_redundant,
    plain_role_sees_the_same_findings
);

async fn each_index_problem_is_found(empty: EmptyDatabase) {
    let database = empty.superuser().await;
    for sql in [
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (id integer PRIMARY KEY, a integer, b text, c text, d integer UNIQUE)",
        "INSERT INTO s.t SELECT n, n % 3, n::text, n::text, n FROM generate_series(1, 100) AS n",
        "CREATE INDEX a_b ON s.t (a, b)",
        "CREATE INDEX a ON s.t (a)",
        "CREATE INDEX a_again ON s.t (a)",
        // The same columns in different indexes.
        "CREATE INDEX a_down ON s.t (a DESC)",
        "CREATE INDEX b_pattern ON s.t (b text_pattern_ops)",
        "CREATE INDEX b ON s.t (b)",
        "CREATE INDEX b_c ON s.t (b COLLATE \"C\")",
        "CREATE INDEX b_partial ON s.t (b) WHERE a = 1",
        "CREATE INDEX b_hash ON s.t USING hash (b)",
        "CREATE INDEX c_lower ON s.t (lower(c))",
        "CREATE INDEX c_upper ON s.t (upper(c))",
        "CREATE INDEX c_lower_again ON s.t (lower(c))",
        // The same as a constraint's.
        "CREATE UNIQUE INDEX d_again ON s.t (d)",
        "CREATE INDEX d_plain ON s.t (d)",
        "CREATE UNIQUE INDEX id_a ON s.t (id) INCLUDE (a)",
    ] {
        run(&database, sql).await;
    }
    let failed = database
        .execute(statement(
            "CREATE UNIQUE INDEX CONCURRENTLY broken ON s.t (a)",
            [],
        ))
        .await;
    assert!(failed.is_err());
    let monitor = monitor_of(&empty.url).await;
    // The error arrives before the build has ended.
    let found = super::until("the build has ended", async || {
        let found = findings(&monitor, "s").await;
        let has_ended = found.iter().any(|one| one.index.index_name == "broken");
        has_ended.then_some(found)
    })
    .await;
    let described: Vec<String> = found
        .iter()
        .map(|finding| {
            let problem = match &finding.problem {
                IndexProblem::Invalid => "invalid".to_owned(),
                IndexProblem::Duplicate { of } => format!("= {of}"),
                IndexProblem::Prefix { of } => format!("< {of}"),
                IndexProblem::Unused => "unused".to_owned(),
                _ => panic!(),
            };
            let stays = if finding.is_removable() {
                ""
            } else {
                " (stays)"
            };
            format!("{} {problem}{stays}", finding.index.index_name)
        })
        .collect();
    assert_eq!(
        described,
        [
            "a < a_b",
            "a_again = a",
            "a_b unused (stays)",
            "a_down unused (stays)",
            "b unused (stays)",
            "b_c unused (stays)",
            "b_hash unused (stays)",
            "b_partial unused (stays)",
            "b_pattern unused (stays)",
            "broken invalid (stays)",
            "c_lower unused (stays)",
            "c_lower_again = c_lower",
            "c_upper unused (stays)",
            "d_again = t_d_key (stays)",
            "d_plain = d_again",
            "id_a unused (stays)",
            "t_d_key unused (stays)",
            "t_pkey unused (stays)",
        ]
    );
    let primary = &found.last().unwrap().needed_for;
    assert!(primary.contains(&IndexUse::Unique));
    assert!(primary.contains(&IndexUse::Constraint {
        name: "t_pkey".to_owned()
    }));
    let down = found
        .iter()
        .find(|one| one.index.index_name == "a_down")
        .unwrap();
    assert!(down.caveats[0].contains("scan"), "{down:?}");
    assert!(down.is_too_early && down.index.counted_seconds < UNUSED_SECONDS_MIN);
}

async fn used_index_is_not_unused(empty: EmptyDatabase) {
    let database = empty.superuser().await;
    for sql in [
        "CREATE SCHEMA s",
        "CREATE TABLE s.t AS SELECT n FROM generate_series(1, 1000) AS n",
        "CREATE INDEX used ON s.t (n)",
        "CREATE INDEX never ON s.t ((n + 1)) WHERE n > 5",
    ] {
        run(&database, sql).await;
    }
    let monitor = monitor_of(&empty.url).await;
    let transaction = database.begin().await.unwrap();
    run(&transaction, "SET LOCAL enable_seqscan = off").await;
    run(&transaction, "SELECT FROM s.t WHERE n = 5").await;
    run(&transaction, "SELECT pg_stat_force_next_flush()").await;
    transaction.commit().await.unwrap();
    super::until("the scan is counted", async || {
        (findings(&monitor, "s").await.len() == 1).then_some(())
    })
    .await;
    let index = monitor
        .indexes(Some(&["s".to_owned()]))
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert_eq!(index[1].last_scan.is_some(), empty.version >= 16);
    assert_eq!(index[0].predicate.as_deref(), Some("(n > 5)"));
    run(&database, "SELECT pg_stat_reset()").await;
    let found = super::until("the counters are reset", async || {
        let found = findings(&monitor, "s").await;
        (found.len() == 2).then_some(found)
    })
    .await;
    assert!(found[0].index.counted_since.is_some());
    // Locked exclusively: reported without its size, and without waiting.
    let holder = database.begin().await.unwrap();
    run(&holder, "DROP INDEX s.used").await;
    let bounded = Monitor::connect(
        neobank_db::DatabaseConfig::from_url(&empty.url).unwrap(),
        MonitorLimits::default(),
    )
    .await
    .unwrap();
    let section = bounded.indexes(Some(&["s".to_owned()])).await.unwrap();
    let rows = section.value().unwrap_or_else(|| panic!("{section:?}"));
    assert_eq!([rows[0].size_bytes, rows[1].size_bytes], [None, None]);
}

/// Advice to drop an index under construction would be harmful.
async fn index_under_rebuild_is_no_finding(empty: EmptyDatabase) {
    let database = empty.superuser().await;
    for sql in [
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (id integer PRIMARY KEY, a integer)",
        "CREATE INDEX a ON s.t (a)",
        "CREATE TABLE s.referrer (t integer CONSTRAINT a_foreign_key REFERENCES s.t)",
    ] {
        run(&database, sql).await;
    }
    let (old, rebuilder) = (
        Session::open(&empty.url).await,
        Session::open(&empty.url).await,
    );
    old.run("BEGIN; INSERT INTO s.t VALUES (1, 1)").await;
    let rebuilt = rebuilder.send("REINDEX TABLE CONCURRENTLY s.t");
    let monitor = monitor_of(&empty.url).await;
    let found = super::until("there are indexes that are not valid yet", async || {
        let found = findings(&monitor, "s").await;
        let indexes = database
            .fetch_value::<i64>(statement(
                "SELECT count(*) FROM pg_index WHERE NOT indisvalid AND indrelid = 's.t'::regclass",
                [],
            ))
            .await
            .unwrap();
        (indexes == 2).then_some(found)
    })
    .await;
    assert!(
        !found.iter().any(|one| one.problem == IndexProblem::Invalid),
        "{found:?}"
    );
    let primary = found.iter().find(|one| one.index.index_name == "t_pkey");
    assert!(
        primary.unwrap().needed_for.contains(&IndexUse::Constraint {
            name: "t_pkey".to_owned()
        }),
        "{primary:?}"
    );
    old.run("COMMIT").await;
    rebuilt.await.unwrap().unwrap();
}

/// A leftover of a failed rebuild is not under construction, whatever VACUUM does at the time, and
/// is not to be rebuilt.
async fn failed_rebuild_is_a_leftover_during_a_vacuum(empty: EmptyDatabase) {
    let (old, rebuilder, vacuum) = (
        Session::open(&empty.url).await,
        Session::open(&empty.url).await,
        Session::open(&empty.url).await,
    );
    for sql in [
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (a integer) WITH (autovacuum_enabled = false)",
        "INSERT INTO s.t SELECT n FROM generate_series(1, 200000) AS n",
        "CREATE INDEX a ON s.t (a)",
        "DELETE FROM s.t",
    ] {
        old.run(sql).await;
    }
    old.run("BEGIN; INSERT INTO s.t VALUES (1)").await;
    rebuilder.run("SET lock_timeout = '100ms'").await;
    let rebuilt = rebuilder.send("REINDEX INDEX CONCURRENTLY s.a");
    assert!(rebuilt.await.unwrap().is_err());
    old.run("ROLLBACK").await;
    vacuum
        .run("SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1")
        .await;
    let vacuumed = vacuum.send("VACUUM s.t");
    let monitor = monitor_of(&empty.url).await;
    let sql = format!(
        "SELECT FROM pg_stat_progress_vacuum WHERE pid = {} AND phase <> 'initializing'",
        vacuum.pid
    );
    super::until("the vacuum is at work", async || {
        (!old.rows(&sql).await.is_empty()).then_some(())
    })
    .await;
    let found = findings(&monitor, "s").await;
    assert!(!vacuumed.is_finished());
    let left = found
        .iter()
        .find(|one| one.index.index_name == "a_ccnew")
        .unwrap();
    assert!(
        left.problem == IndexProblem::Invalid && left.is_leftover,
        "{left:?}"
    );
    old.run(&format!("SELECT pg_cancel_backend({})", vacuum.pid))
        .await;
    assert!(vacuumed.await.unwrap().is_err());
}

/// Its scans are not only those of queries, and a new one has had no time for any.
async fn index_for_a_foreign_key_is_not_proposed_for_removal(empty: EmptyDatabase) {
    let session = Session::open(&empty.url).await;
    for sql in [
        "CREATE SCHEMA s",
        "CREATE TABLE s.named (a integer, b integer, PRIMARY KEY (a, b))",
        "CREATE TABLE s.t (x integer, a integer, b integer,
            CONSTRAINT to_named FOREIGN KEY (a, b) REFERENCES s.named)",
        "CREATE INDEX by_key ON s.t (b, a, x)",
        "CREATE INDEX by_half ON s.t (a, x)",
    ] {
        session.run(sql).await;
    }
    let monitor = monitor_of(&empty.url).await;
    let indexes = monitor.indexes(Some(&["s".to_owned()])).await.unwrap();
    let mut indexes = indexes.into_value().unwrap();
    // As if the server had counted for long enough.
    for index in &mut indexes {
        index.counted_seconds = UNUSED_SECONDS_MIN;
    }
    let found = judged(&indexes);
    let of = |name: &str| {
        found
            .iter()
            .find(|one| one.index.index_name == name)
            .unwrap()
    };
    assert!(of("by_half").is_removable());
    assert!(!of("by_key").is_removable());
    assert_eq!(
        of("by_key").needed_for,
        [IndexUse::ForeignKey {
            name: "to_named".to_owned()
        }]
    );
}

async fn hostile_names_are_found(empty: EmptyDatabase) {
    let database = empty.superuser().await;
    let schema = "sch.\"em'a\n$$ž";
    let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
    for sql in [
        format!("CREATE SCHEMA {quoted}"),
        format!("CREATE TABLE {quoted}.\"t 1\" (\"a 1\" integer, \"a 1 0 0\" integer)"),
        format!("CREATE INDEX \"i'1\" ON {quoted}.\"t 1\" (\"a 1\")"),
        format!("CREATE INDEX \"i'2\" ON {quoted}.\"t 1\" (\"a 1\", \"a 1 0 0\")"),
    ] {
        run(&database, &sql).await;
    }
    let found = findings(&monitor_of(&empty.url).await, schema).await;
    assert_eq!(found.len(), 2);
    assert_eq!(
        found[0].problem,
        IndexProblem::Prefix {
            of: "i'2".to_owned()
        }
    );
}

/// The schema's own indexes, checked by this monitor.
async fn indexes_of_the_schema_are_not_redundant(bank: TestBank) {
    let monitor = monitor_of(bank.url()).await;
    let found = monitor
        .index_findings(None)
        .await
        .unwrap()
        .into_value()
        .unwrap();
    let redundant: Vec<_> = found
        .iter()
        .filter(|finding| finding.problem != IndexProblem::Unused && finding.is_removable())
        .map(|finding| (&finding.index.index_name, &finding.problem))
        .collect();
    assert_eq!(redundant, []);
}

async fn plain_role_sees_the_same_findings(bank: TestBank) {
    let plain = Monitor::connect(bank.config(), MonitorLimits::default())
        .await
        .unwrap();
    let names = async |monitor: &Monitor| {
        let rows = monitor.indexes(None).await.unwrap().into_value().unwrap();
        rows.into_iter()
            .map(|row| row.index_name)
            .collect::<Vec<_>>()
    };
    let seen = names(&plain).await;
    assert!(!seen.is_empty());
    assert_eq!(seen, names(&monitor_of(bank.url()).await).await);
}

async fn findings(monitor: &Monitor, schema: &str) -> Vec<IndexFinding> {
    let section = monitor
        .index_findings(Some(&[schema.to_owned()]))
        .await
        .unwrap();
    section
        .value()
        .unwrap_or_else(|| panic!("{section:?}"))
        .clone()
}

async fn run(on: &impl Executor, sql: &str) {
    if let Err(error) = on.execute(statement(sql, [])).await {
        panic!("{sql}: {error}");
    }
}
