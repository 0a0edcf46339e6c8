//! Bloat: estimates with their margins, and measurements.
#![allow(clippy::float_arithmetic, reason = "an estimate is a fraction")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_ops::bloat::exact::{Measure, MeasuredTable};
use neobank_ops::bloat::tables::TableBloatRow;
use neobank_ops::{Cause, Monitor, MonitorLimits, OpsError, TableName};

use super::monitor_of;
use crate::harness::{EmptyDatabase, TestBank};

mod everywhere {
    use super::{
        changes_since_the_analyze_are_doubts, confident_estimate_is_within_five_points,
        hostile_names_are_measured, index_estimates_are_within_five_points,
        locked_table_is_not_waited_for, measurement_beyond_its_timeout_is_cancelled,
    };
    on_empty_databases!(
        confident_estimate_is_within_five_points,
        hostile_names_are_measured,
        index_estimates_are_within_five_points,
        changes_since_the_analyze_are_doubts,
        locked_table_is_not_waited_for,
        measurement_beyond_its_timeout_is_cancelled,
    );
}

on_both_versions!(
    views_return_the_same_rows,
    functions_of_the_schema_are_within_five_points,
    plain_role_gets_missing_privileges_as_doubts,
);

/// Tables by name: columns, an expression for each row's values, the number of rows, later
/// statements, and whether the estimate must be confident at the end.
type Shape = (
    &'static str,
    &'static str,
    &'static str,
    i32,
    &'static [&'static str],
    bool,
);

const SHAPES: &[Shape] = &[
    ("narrow", "a integer NOT NULL", "n", 50_000, &[], true),
    (
        "padded",
        "a boolean NOT NULL, b bigint NOT NULL, c boolean NOT NULL, d bigint NOT NULL, e smallint NOT NULL",
        "true, n, false, n, 1",
        30_000,
        &[],
        true,
    ),
    (
        "nullable",
        "a bigint NOT NULL, b bigint, c integer, d timestamptz, e bigint",
        "n, CASE WHEN n % 2 = 0 THEN n END, CASE WHEN n % 3 = 0 THEN n END, NULL, n",
        30_000,
        &[],
        false,
    ),
    (
        "nullable_wide",
        "a bigint NOT NULL, b bigint, c integer, d text NOT NULL, e timestamptz",
        "n, CASE WHEN n % 2 = 0 THEN n END, CASE WHEN n % 3 = 0 THEN n END, repeat('x', 100 + n % 50), NULL",
        20_000,
        &[],
        true,
    ),
    (
        "wide",
        "id uuid NOT NULL, a text NOT NULL, b text NOT NULL, c numeric NOT NULL, d timestamptz NOT NULL",
        "gen_random_uuid(), repeat('x', 40 + n % 60), repeat('y', 80 + n % 40), n * 1.01, now()",
        20_000,
        &[],
        true,
    ),
    (
        "very_wide",
        "id bigint NOT NULL, a text NOT NULL",
        "n, repeat('z', 900 + n % 100)",
        4_000,
        &[],
        true,
    ),
    (
        "fillfactor_70",
        "a bigint NOT NULL, b bigint NOT NULL, c bigint NOT NULL",
        "n, n, n",
        30_000,
        &[],
        true,
    ),
    (
        "half_deleted",
        "a bigint NOT NULL, b bigint NOT NULL, c bigint NOT NULL, d bigint NOT NULL",
        "n, n, n, n",
        30_000,
        &["DELETE FROM {t} WHERE a % 2 = 0", "VACUUM (ANALYZE) {t}"],
        true,
    ),
    (
        "front_deleted",
        "a bigint NOT NULL, b bigint NOT NULL, c bigint NOT NULL, d bigint NOT NULL",
        "n, n, n, n",
        30_000,
        &["DELETE FROM {t} WHERE a < 20000", "VACUUM (ANALYZE) {t}"],
        true,
    ),
    (
        "deleted_not_vacuumed",
        "a bigint NOT NULL, b bigint NOT NULL, c bigint NOT NULL, d bigint NOT NULL",
        "n, n, n, n",
        30_000,
        &["DELETE FROM {t} WHERE a % 3 = 0", "ANALYZE {t}"],
        true,
    ),
    (
        "updated",
        "a bigint NOT NULL, b bigint NOT NULL, c bigint NOT NULL, d bigint NOT NULL",
        "n, n, n, n",
        30_000,
        &["UPDATE {t} SET b = b + 1", "ANALYZE {t}"],
        true,
    ),
    (
        "updated_and_vacuumed",
        "a bigint NOT NULL, b bigint NOT NULL, c bigint NOT NULL, d bigint NOT NULL",
        "n, n, n, n",
        30_000,
        &["UPDATE {t} SET b = b + 1", "VACUUM (ANALYZE) {t}"],
        true,
    ),
    (
        "toasted",
        "id bigint NOT NULL, a text NOT NULL",
        "n, (SELECT string_agg(md5((n * 1000 + i)::text), '') FROM generate_series(1, 100) AS i)",
        2_000,
        &[],
        false,
    ),
    (
        "updated_since",
        "a bigint NOT NULL, b text NOT NULL",
        "n, 'short'",
        10_000,
        &["UPDATE {t} SET b = repeat('long', 100)"],
        false,
    ),
    (
        "dropped",
        "a bigint NOT NULL, b text NOT NULL",
        "n, repeat('x', 200)",
        10_000,
        &["ALTER TABLE {t} DROP COLUMN b", "ANALYZE {t}"],
        false,
    ),
    (
        "late",
        "a bigint NOT NULL",
        "n",
        10_000,
        &[
            "ALTER TABLE {t} ADD COLUMN b text DEFAULT 'a text that no old row holds'",
            "ANALYZE {t}",
        ],
        false,
    ),
    (
        "varying",
        "a text NOT NULL",
        "repeat('x', n % 7)",
        10_000,
        &[],
        false,
    ),
    ("empty", "a bigint NOT NULL", "n", 0, &[], true),
];

async fn confident_estimate_is_within_five_points(empty: EmptyDatabase) {
    let database = prepare(&empty).await;
    for (name, columns, values, rows, then, _) in SHAPES {
        let with = if *name == "fillfactor_70" {
            ", fillfactor = 70"
        } else {
            ""
        };
        for sql in [
            format!(
                "CREATE TABLE shapes.{name} ({columns}) WITH (autovacuum_enabled = false{with})"
            ),
            format!(
                "INSERT INTO shapes.{name} SELECT {values} FROM generate_series(1, {rows}) AS n"
            ),
            "SELECT pg_stat_force_next_flush()".to_owned(),
            format!("ANALYZE shapes.{name}"),
        ] {
            run(&database, &sql).await;
        }
        for sql in *then {
            run(&database, "SELECT pg_stat_force_next_flush()").await;
            run(&database, &sql.replace("{t}", &format!("shapes.{name}"))).await;
        }
    }
    run(
        &database,
        "CREATE TABLE shapes.never AS SELECT n FROM generate_series(1, 1000) AS n",
    )
    .await;
    run(&database, "SELECT pg_stat_force_next_flush()").await;
    let monitor = monitor_of(&empty.url).await;
    let estimates = estimates(&monitor).await;
    assert_eq!(estimates.len(), SHAPES.len() + 1);
    let (mut wrong, mut lines) = (Vec::new(), Vec::new());
    for estimate in &estimates {
        let measured = measure(&monitor, &estimate.table_name, Measure::Exact).await;
        let (described, true_sum) = (
            estimate.free_percent + estimate.dead_percent,
            measured.free_percent + measured.dead_percent,
        );
        let line = format!(
            "{}: {described:.1} estimated (± {:.1}, {:?}), {true_sum:.1} measured ({:.1} dead)",
            estimate.table_name, estimate.margin_percent, estimate.doubts, measured.dead_percent
        );
        lines.push(line.clone());
        let must_be = SHAPES
            .iter()
            .find(|shape| shape.0 == estimate.table_name)
            .is_some_and(|shape| shape.5);
        let is_off = (described - true_sum).abs() > estimate.margin_percent;
        if estimate.is_confident != must_be || (estimate.is_confident && is_off) {
            wrong.push(line);
        }
        assert_eq!(estimate.size_bytes, measured.size_bytes);
    }
    assert!(wrong.is_empty(), "{wrong:#?} of {lines:#?}");
    let of = |name: &str| estimates.iter().find(|one| one.table_name == name).unwrap();
    // Dead space differs from free space: before the vacuum it is dead, after it free.
    assert!(of("updated").dead_percent > 40.0 && of("updated").free_percent < 10.0);
    assert!(
        of("updated_and_vacuumed").dead_percent < 1.0
            && of("updated_and_vacuumed").free_percent > 35.0
    );
    // The reserve of the fillfactor is free, and no bloat.
    assert!(of("fillfactor_70").free_percent > 25.0 && of("fillfactor_70").bloat_percent < 2.0);
    assert!(of("half_deleted").bloat_percent > 45.0);
    assert!(of("narrow").bloat_percent < 2.0 && of("padded").bloat_percent < 2.0);
    assert!(of("toasted").toast_bytes > 1_000_000 && of("toasted").bloat_percent < 5.0);
    for (name, doubt) in [
        ("never", "never analyzed"),
        ("dropped", "a column was dropped"),
        ("late", "a column was added later"),
        ("updated_since", "statistics are stale"),
        ("varying", "the width of rows varies too much"),
    ] {
        assert!(
            of(name).doubts.iter().any(|one| one == doubt),
            "{:?}",
            of(name)
        );
    }
    let approximate = measure(&monitor, "half_deleted", Measure::Approximate).await;
    let exact = measure(&monitor, "half_deleted", Measure::Exact).await;
    assert!((approximate.free_percent - exact.free_percent).abs() < 2.0);
    assert!(exact.scanned_percent > 99.9);
}

/// Indexes by name: the definition, and whether the estimate must be confident.
const INDEXES: &[(&str, &str, &str, bool)] = &[
    ("by_number", "UNIQUE", "(n)", true),
    ("by_uuid", "UNIQUE", "(id)", true),
    ("by_pair", "UNIQUE", "(n, id)", true),
    ("by_text", "UNIQUE", "(long)", true),
    ("by_distinct", "", "(n, group_number)", true),
    ("by_half", "UNIQUE", "(n) WITH (fillfactor = 50)", true),
    ("by_expression", "UNIQUE", "(lower(long))", true),
    ("by_group", "", "(group_number)", false),
];

async fn index_estimates_are_within_five_points(empty: EmptyDatabase) {
    let database = prepare(&empty).await;
    let rows = "INSERT INTO shapes.t SELECT n, gen_random_uuid(), n % 10, md5(n::text) || repeat('x', 60 + n % 20) FROM generate_series(1, 30000) AS n";
    run(&database, "CREATE TABLE shapes.t (n bigint NOT NULL, id uuid NOT NULL, group_number bigint NOT NULL, long text NOT NULL)
        WITH (autovacuum_enabled = false)").await;
    for (name, unique, of, _) in INDEXES {
        run(
            &database,
            &format!("CREATE {unique} INDEX {name} ON shapes.t {of}"),
        )
        .await;
    }
    let monitor = monitor_of(&empty.url).await;
    for (round, sql) in [
        (1, rows),
        (2, "DELETE FROM shapes.t WHERE n % 3 > 0"),
        (3, "REINDEX TABLE shapes.t"),
    ] {
        for sql in [
            sql,
            "SELECT pg_stat_force_next_flush()",
            "VACUUM (ANALYZE) shapes.t",
        ] {
            run(&database, sql).await;
        }
        let schemas = ["shapes".to_owned()];
        let found = monitor
            .index_bloat(Some(&schemas))
            .await
            .unwrap()
            .into_value()
            .unwrap();
        assert_eq!(found.len(), INDEXES.len());
        let (mut wrong, mut lines) = (Vec::new(), Vec::new());
        for estimate in &found {
            let index = TableName::new("shapes", &estimate.index_name);
            let measured = monitor
                .measure_index(&index)
                .await
                .unwrap()
                .into_value()
                .unwrap();
            let line = format!(
                "{round} {}: {:.1} estimated (± {:.1}, bloat {:.1}, {:?}), {:.1} measured",
                estimate.index_name,
                estimate.free_percent,
                estimate.margin_percent,
                estimate.bloat_percent,
                estimate.doubts,
                measured.free_percent
            );
            let must_be = INDEXES
                .iter()
                .any(|one| one.0 == estimate.index_name && one.3);
            let is_off = (estimate.free_percent - measured.free_percent).abs() > 5.0;
            if estimate.is_confident != must_be || (estimate.is_confident && is_off) {
                wrong.push(line.clone());
            }
            lines.push(line);
            assert_eq!(estimate.size_bytes, measured.size_bytes);
        }
        assert!(wrong.is_empty(), "{wrong:#?} of {lines:#?}");
        let bloat = found
            .iter()
            .find(|one| one.index_name == "by_number")
            .unwrap()
            .bloat_percent;
        assert_eq!(bloat > 50.0, round == 2, "{lines:#?}");
    }
    let nothing = TableName::new("shapes", "t");
    assert!(
        matches!(monitor.measure_index(&nothing).await, Err(OpsError::Invalid { field, .. }) if field == "index")
    );
}

/// Changes that the statistics do not show: the statements, and the doubt that must be reported.
async fn changes_since_the_analyze_are_doubts(empty: EmptyDatabase) {
    let database = prepare(&empty).await;
    for sql in [
        "CREATE TABLE shapes.grown (a bigint NOT NULL, b text NOT NULL) WITH (autovacuum_enabled = false)",
        "INSERT INTO shapes.grown SELECT n, repeat('x', 100) FROM generate_series(1, 50000) AS n",
        "CREATE TABLE shapes.emptied (n bigint NOT NULL, part integer NOT NULL) WITH (autovacuum_enabled = false)",
        "INSERT INTO shapes.emptied SELECT n, n % 1000 FROM generate_series(1, 100000) AS n",
        "CREATE UNIQUE INDEX all_rows ON shapes.emptied (n)",
        "CREATE UNIQUE INDEX few_rows ON shapes.emptied (n) WHERE part = 1",
        "SELECT pg_stat_force_next_flush()",
        "VACUUM (ANALYZE) shapes.grown",
        "VACUUM (ANALYZE) shapes.emptied",
    ] {
        run(&database, sql).await;
    }
    let monitor = monitor_of(&empty.url).await;
    let of = |found: &[TableBloatRow]| {
        found
            .iter()
            .find(|one| one.table_name == "grown")
            .unwrap()
            .clone()
    };
    assert!(of(&estimates(&monitor).await).is_confident);
    let fresh = doubts_of_indexes(&monitor).await;
    assert_eq!(fresh["all_rows"], Vec::<String>::new());
    assert_eq!(fresh["few_rows"], ["few entries were in the sample"]);
    for sql in [
        "UPDATE shapes.grown SET b = repeat('x', 1280) WHERE a % 100 < 9",
        "DELETE FROM shapes.emptied WHERE n % 2 = 0",
        "SELECT pg_stat_force_next_flush()",
        "ANALYZE shapes.emptied",
    ] {
        run(&database, sql).await;
    }
    assert_eq!(
        of(&estimates(&monitor).await).doubts,
        ["statistics are stale"]
    );
    assert_eq!(doubts_of_indexes(&monitor).await["all_rows"], ["dead rows"]);
    // A vacuum updates the recorded size of the file, and the widths stay unknown.
    for sql in ["VACUUM shapes.grown", "VACUUM (ANALYZE) shapes.emptied"] {
        run(&database, sql).await;
    }
    assert_eq!(
        of(&estimates(&monitor).await).doubts,
        ["statistics are stale"]
    );
    assert_eq!(
        doubts_of_indexes(&monitor).await["all_rows"],
        Vec::<String>::new()
    );
}

async fn doubts_of_indexes(monitor: &Monitor) -> BTreeMap<String, Vec<String>> {
    let found = monitor
        .index_bloat(Some(&["shapes".to_owned()]))
        .await
        .unwrap();
    let rows = found.into_value().unwrap();
    rows.into_iter()
        .map(|row| (row.index_name, row.doubts))
        .collect()
}

async fn hostile_names_are_measured(empty: EmptyDatabase) {
    let database = prepare(&empty).await;
    let table = TableName::new("sch.\"em'a\n$$", "t\"; DROP TABLE x; --'ž\\");
    let schema = "\"sch.\"\"em'a\n$$\"";
    for sql in [
        format!("CREATE SCHEMA {schema}"),
        format!("CREATE TABLE {table} AS SELECT n FROM generate_series(1, 1000) AS n"),
        format!("ANALYZE {table}"),
    ] {
        run(&database, &sql).await;
    }
    let monitor = monitor_of(&empty.url).await;
    let found = monitor
        .table_bloat(Some(std::slice::from_ref(&table.schema)))
        .await
        .unwrap()
        .into_value()
        .unwrap();
    let names: Vec<_> = found.iter().map(|row| row.table_name.as_str()).collect();
    assert_eq!(names, [table.table.as_str()]);
    for measure in [Measure::Exact, Measure::Approximate] {
        let measured = monitor.measure_table(&table, measure).await.unwrap();
        assert_eq!(measured.value().unwrap().size_bytes, found[0].size_bytes);
    }
    let nothing = TableName::new("x'; DROP TABLE y; --", "z");
    let rejected = monitor.measure_table(&nothing, Measure::Exact).await;
    assert!(matches!(rejected, Err(OpsError::Invalid { .. })));
    let none = monitor.table_bloat(Some(&[])).await.unwrap();
    assert_eq!(none.value().unwrap().len(), 0);
}

async fn locked_table_is_not_waited_for(empty: EmptyDatabase) {
    let database = prepare(&empty).await;
    run(
        &database,
        "CREATE TABLE shapes.locked AS SELECT n FROM generate_series(1, 1000) AS n",
    )
    .await;
    run(&database, "ANALYZE shapes.locked").await;
    run(&database, "CREATE TABLE shapes.other AS SELECT 1").await;
    let holder = database.begin().await.unwrap();
    run(&holder, "LOCK TABLE shapes.locked IN ACCESS EXCLUSIVE MODE").await;
    let monitor = Monitor::connect(
        DatabaseConfig::from_url(&empty.url).unwrap(),
        MonitorLimits::default(),
    )
    .await
    .unwrap();
    let found = estimates(&monitor).await;
    let locked = found.iter().find(|one| one.table_name == "locked").unwrap();
    assert!(!locked.is_confident);
    assert_eq!(locked.doubts, ["the table is locked"]);
    assert!(locked.size_bytes > 0);
    assert_eq!(found.len(), 2);
    let measured = monitor
        .measure_table(&TableName::new("shapes", "locked"), Measure::Exact)
        .await
        .unwrap();
    assert_eq!(measured.reason().unwrap().cause, Cause::LockTimeout);
}

async fn measurement_beyond_its_timeout_is_cancelled(empty: EmptyDatabase) {
    let database = prepare(&empty).await;
    run(
        &database,
        "CREATE TABLE shapes.long AS SELECT n FROM generate_series(1, 300000) AS n",
    )
    .await;
    run(&database, "CREATE INDEX long_n ON shapes.long (n)").await;
    let hasty = MonitorLimits::default()
        .with_lock_timeout(Duration::from_millis(1))
        .with_statement_timeout(Duration::from_millis(2));
    let monitor = monitor_of(&empty.url).await.with_limits(hasty).unwrap();
    let name = |name| TableName::new("shapes", name);
    let table = monitor.measure_table(&name("long"), Measure::Exact).await;
    let index = monitor.measure_index(&name("long_n")).await;
    let causes = [
        table.unwrap().reason().unwrap().cause,
        index.unwrap().reason().unwrap().cause,
    ];
    assert_eq!(causes, [Cause::StatementTimeout; 2]);
    // The one connection stays usable.
    let monitor = monitor.with_limits(MonitorLimits::default()).unwrap();
    assert_eq!(estimates(&monitor).await.len(), 1);
}

async fn views_return_the_same_rows(bank: TestBank) {
    let superuser = bank.superuser().await;
    for table in ["customers", "accounts", "transactions", "transfers"] {
        run(&superuser, &format!("ANALYZE banking.{table}")).await;
    }
    let monitor = monitor_of(bank.url()).await;
    let tables = monitor.table_bloat(None).await.unwrap();
    let tables = tables.into_value().unwrap().into_iter().map(|row| {
        let name = TableName::new(&row.schema_name, &row.table_name);
        described(name, row.size_bytes, row.bloat_percent, row.doubts)
    });
    let indexes = monitor.index_bloat(None).await.unwrap();
    let indexes = indexes.into_value().unwrap().into_iter().map(|row| {
        let name = TableName::new(&row.schema_name, &row.index_name);
        described(name, row.size_bytes, row.bloat_percent, row.doubts)
    });
    for (view, column, by_builder, one) in [
        (
            "v_table_bloat",
            "table_name",
            tables.collect::<BTreeSet<_>>(),
            "banking.accounts",
        ),
        (
            "v_index_bloat",
            "index_name",
            indexes.collect(),
            "banking.accounts_pkey",
        ),
    ] {
        let sql = format!(
            "SELECT {column}, size_bytes, bloat_percent, doubts, is_confident FROM concurrency.{view}"
        );
        let rows = superuser.query(statement(&sql, [])).await.unwrap();
        let by_view: BTreeSet<String> = rows
            .iter()
            .map(|row| {
                let doubts: Vec<String> = row.get(3);
                assert_eq!(row.get::<_, bool>(4), doubts.is_empty());
                described(row.get::<_, String>(0), row.get(1), row.get(2), doubts)
            })
            .collect();
        assert_eq!(by_view, by_builder);
        assert!(
            by_view
                .iter()
                .any(|row| row.starts_with(&format!("{one} ")))
        );
        // An application may read it too.
        let sql = format!("SELECT count(*) FROM concurrency.{view}");
        let seen: i64 = bank
            .database
            .fetch_value(statement(&sql, []))
            .await
            .unwrap();
        assert_eq!(seen as usize, by_view.len());
    }
}

/// Compares the functions of the schema with the server's own extension, all in SQL.
async fn functions_of_the_schema_are_within_five_points(bank: TestBank) {
    let superuser = bank.superuser().await;
    run(&superuser, "CREATE EXTENSION pgstattuple SCHEMA pg_catalog").await;
    run(&superuser, "CREATE SCHEMA shapes").await;
    for (name, then) in [
        ("whole", ""),
        ("thinned", "DELETE FROM shapes.thinned WHERE n % 3 > 0"),
        ("emptied", "DELETE FROM shapes.emptied WHERE n < 19000"),
    ] {
        for sql in [
            format!(
                "CREATE TABLE shapes.{name} (n bigint NOT NULL, id uuid NOT NULL, m bigint NOT NULL) WITH (autovacuum_enabled = false)"
            ),
            format!(
                "INSERT INTO shapes.{name} SELECT n, gen_random_uuid(), n FROM generate_series(1, 20000) AS n"
            ),
            format!("CREATE UNIQUE INDEX {name}_n ON shapes.{name} (n)"),
            format!("CREATE UNIQUE INDEX {name}_id ON shapes.{name} (id, n)"),
            then.to_owned(),
            "SELECT pg_stat_force_next_flush()".to_owned(),
            format!("VACUUM (ANALYZE) shapes.{name}"),
        ] {
            run(&superuser, &sql).await;
        }
    }
    let tables = "SELECT described.table_name, described.free_percent + described.dead_percent,
            100 * (measured.free_space + measured.dead_tuple_len)::float8 / measured.table_len,
            described.bloat_percent, described.is_confident
        FROM concurrency.table_bloat(ARRAY['shapes']) AS described
        CROSS JOIN LATERAL pgstattuple(format('%I.%I', described.schema_name, described.table_name)::regclass) AS measured";
    let indexes = "SELECT described.index_name, described.free_percent,
            100 - measured.avg_leaf_density * measured.leaf_pages
                / (measured.leaf_pages + measured.empty_pages + measured.deleted_pages),
            described.bloat_percent, described.is_confident
        FROM concurrency.index_bloat(ARRAY['shapes']) AS described
        CROSS JOIN LATERAL pgstatindex(format('%I.%I', described.schema_name, described.index_name)::regclass) AS measured";
    for (sql, expected) in [(tables, 3), (indexes, 6)] {
        let rows = superuser.query(statement(sql, [])).await.unwrap();
        assert_eq!(rows.len(), expected);
        for row in rows {
            let (name, described, measured): (String, f64, f64) =
                (row.get(0), row.get(1), row.get(2));
            assert!(row.get::<_, bool>(4), "{name} is doubted");
            assert!(
                (described - measured).abs() <= 5.0,
                "{name}: {described} estimated, {measured} measured"
            );
            let bloat: f64 = row.get(3);
            assert_eq!(bloat > 40.0, !name.starts_with("whole"), "{name}: {bloat}");
        }
    }
}

fn described(
    name: impl Display,
    size_bytes: i64,
    bloat_percent: f64,
    doubts: Vec<String>,
) -> String {
    format!("{name} {size_bytes} {bloat_percent} {doubts:?}")
}

async fn plain_role_gets_missing_privileges_as_doubts(bank: TestBank) {
    let superuser = bank.superuser().await;
    for sql in [
        "CREATE SCHEMA shapes",
        "CREATE TABLE shapes.secret AS SELECT n::text AS n FROM generate_series(1, 1000) AS n",
        "ANALYZE shapes.secret",
    ] {
        run(&superuser, sql).await;
    }
    let monitor = Monitor::connect(bank.config(), MonitorLimits::default())
        .await
        .unwrap();
    let found = estimates(&monitor).await;
    assert_eq!(found[0].doubts[0], "statistics may not be read");
    assert!(!found[0].is_confident);
    // No figure, because it would be taken for an estimate.
    assert_eq!(
        (found[0].bloat_bytes, found[0].free_bytes),
        (0, 0),
        "{found:?}"
    );
    assert!((found[0].margin_percent - 100.0).abs() < 0.1, "{found:?}");
    let table = TableName::new("shapes", "secret");
    let missing = monitor.measure_table(&table, Measure::Exact).await.unwrap();
    assert_eq!(missing.reason().unwrap().cause, Cause::Missing);
    run(&superuser, "CREATE EXTENSION pgstattuple SCHEMA shapes").await;
    let rejected = monitor.measure_table(&table, Measure::Exact).await.unwrap();
    assert_eq!(
        rejected.reason().unwrap().cause,
        Cause::InsufficientPrivilege
    );
}

/// A single connection, so that the counters of one statement are written before the next one sets
/// them.
async fn prepare(empty: &EmptyDatabase) -> Database {
    let mut config = DatabaseConfig::from_url(&empty.url).unwrap();
    config.pool_max = 1;
    config.statement_timeout = Duration::from_secs(120);
    let database = Database::connect(config).await.unwrap();
    for sql in [
        "CREATE SCHEMA shapes",
        "CREATE SCHEMA \"in\"\"side\"",
        "CREATE EXTENSION pgstattuple SCHEMA \"in\"\"side\"",
    ] {
        run(&database, sql).await;
    }
    database
}

async fn estimates(monitor: &Monitor) -> Vec<TableBloatRow> {
    let section = monitor
        .table_bloat(Some(&["shapes".to_owned()]))
        .await
        .unwrap();
    section
        .value()
        .unwrap_or_else(|| panic!("{section:?}"))
        .clone()
}

async fn measure(monitor: &Monitor, table: &str, measure: Measure) -> MeasuredTable {
    let table = TableName::new("shapes", table);
    monitor
        .measure_table(&table, measure)
        .await
        .unwrap()
        .into_value()
        .unwrap()
}

async fn run(on: &impl Executor, sql: &str) {
    if let Err(error) = on.execute(statement(sql, [])).await {
        panic!("{sql}: {error}");
    }
}
