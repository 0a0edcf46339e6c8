//! The lists of all queries: those of the ops crate, and those of the schema. Tests that run all of
//! them use these lists, and a missing query fails here.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use neobank_ops::bloat::exact::Measure;
use neobank_ops::mvcc::Pages;
use neobank_ops::{Monitor, OpsError, Reason, TableName, Thresholds};

use super::session::Session;

/// Runs a query, and returns the reason why it has no result.
pub(crate) type Ask<'a> =
    Box<dyn Fn() -> BoxFuture<'a, Result<Option<Reason>, OpsError>> + Send + Sync + 'a>;

/// The arguments of queries about one object.
#[derive(Debug)]
pub(crate) struct Subjects {
    pub(crate) table: TableName,
    pub(crate) index: TableName,
    pub(crate) thresholds: Thresholds,
}

macro_rules! ask_each {
    ($monitor:ident, $($query:ident ( $($argument:expr),* )),+ $(,)?) => {
        vec![$((
            stringify!($query),
            Box::new(move || {
                async move { Ok($monitor.$query($($argument),*).await?.reason().cloned()) }.boxed()
            }) as Ask<'a>,
        )),+]
    };
}

/// Returns every query of the ops crate, by its name.
pub(crate) fn queries<'a>(
    monitor: &'a Monitor,
    subjects: &'a Subjects,
) -> Vec<(&'static str, Ask<'a>)> {
    let thresholds = &subjects.thresholds;
    let minute = Duration::from_secs(60);
    let queries = ask_each![
        monitor,
        blocking(),
        lock_orders(),
        deadlock_risks(),
        deadlocks(24),
        deadlock_total(24),
        deadlock_counts(),
        connection_limits(),
        connection_analysis(),
        idle_connections(Duration::ZERO),
        idle_totals(minute),
        pool_health(thresholds),
        server_health(thresholds),
        setting_health(),
        long_transactions(minute),
        transaction_totals(minute),
        cache_hits(),
        slow_statements(100),
        statement_totals(1),
        table_bloat(None),
        measure_table(&subjects.table, Measure::Exact),
        index_bloat(None),
        measure_index(&subjects.index),
        indexes(None),
        index_findings(None),
        horizon(),
        database_ages(),
        table_ages(None),
        row_versions(&subjects.table, Pages::default()),
        sessions(),
        counters(),
        pool_samples(minute),
        replication(),
        sealing_lag(),
        consumer_lags(),
    ];
    let named: BTreeSet<String> = queries.iter().map(|one| one.0.to_owned()).collect();
    let known = methods_of_monitor();
    let missing: Vec<_> = known.difference(&named).collect();
    assert!(
        missing.is_empty(),
        "these queries of the ops crate are missing in the list: {missing:?}"
    );
    queries
}

/// Returns the public asynchronous methods of `Monitor`, read from the crate's text, without those
/// that run no query of their own.
fn methods_of_monitor() -> BTreeSet<String> {
    // A check runs several of the others.
    const NO_QUERIES: [&str; 8] = [
        "check",
        "check_all",
        "connect",
        "fetch",
        "findings",
        "section",
        "signal",
        "transaction",
    ];
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/ops/src");
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let is_code = |line: &&str| !line.trim_start().starts_with("//");
                let lines: Vec<_> = text.lines().filter(is_code).collect();
                for part in lines.join("\n").split("impl Monitor {").skip(1) {
                    let part = part.split("\n}").next().unwrap();
                    for method in part.split("pub async fn ").skip(1) {
                        let name: String = method
                            .chars()
                            .take_while(|one| one.is_ascii_alphanumeric() || *one == '_')
                            .collect();
                        found.insert(name);
                    }
                }
            }
        }
    }
    assert!(found.is_superset(&NO_QUERIES.map(str::to_owned).into()));
    found.retain(|name| !NO_QUERIES.contains(&name.as_str()));
    found
}

/// Every query of the schema: its name, and the statement that reads its whole result.
pub(crate) const IN_SQL: &[(&str, &str)] = &[
    (
        "concurrency.v_lock_analysis",
        "SELECT * FROM concurrency.v_lock_analysis",
    ),
    (
        "concurrency.analyse_locks",
        "SELECT * FROM concurrency.analyse_locks()",
    ),
    (
        "concurrency.detect_deadlock_risk",
        "SELECT * FROM concurrency.detect_deadlock_risk()",
    ),
    (
        "concurrency.demonstrate_isolation_levels",
        "SELECT * FROM concurrency.demonstrate_isolation_levels()",
    ),
    (
        "concurrency.v_held_locks",
        "SELECT * FROM concurrency.v_held_locks",
    ),
    (
        "concurrency.v_table_bloat",
        "SELECT * FROM concurrency.v_table_bloat",
    ),
    (
        "concurrency.table_bloat",
        "SELECT * FROM concurrency.table_bloat()",
    ),
    (
        "concurrency.v_index_bloat",
        "SELECT * FROM concurrency.v_index_bloat",
    ),
    (
        "concurrency.index_bloat",
        "SELECT * FROM concurrency.index_bloat()",
    ),
    (
        "concurrency.show_mvcc_info",
        "SELECT * FROM concurrency.show_mvcc_info('banking.currencies')",
    ),
    (
        "pooling.v_connection_analysis",
        "SELECT * FROM pooling.v_connection_analysis",
    ),
    (
        "pooling.v_idle_connections",
        "SELECT * FROM pooling.v_idle_connections",
    ),
    (
        "pooling.check_pool_health",
        "SELECT * FROM pooling.check_pool_health()",
    ),
    (
        "pooling.calculate_pool_size",
        "SELECT * FROM pooling.calculate_pool_size(200, 5, 2000)",
    ),
    (
        "pooling.generate_pgbouncer_config",
        "SELECT pooling.generate_pgbouncer_config()",
    ),
];

/// Functions of the schema that act instead of querying.
const ACTS: [&str; 11] = [
    "concurrency.acquire_customer_lock",
    "concurrency.acquire_lease",
    "concurrency.check_fencing_token",
    "concurrency.delete_commit_records",
    "concurrency.delete_lock_names",
    "concurrency.lease_holder",
    "concurrency.lock_key",
    "concurrency.release_customer_lock",
    "concurrency.release_lease",
    "concurrency.renew_lease",
    "concurrency.take_locks",
];

/// Fails when a view or a function of the schema is in neither list.
pub(crate) async fn expect_all_of_the_schema(observer: &Session) {
    let sql = "SELECT format('%I.%I', space.nspname, found.name)
        FROM pg_catalog.pg_namespace AS space
        CROSS JOIN LATERAL (
            SELECT relname AS name FROM pg_catalog.pg_class WHERE relnamespace = space.oid AND relkind IN ('v', 'm')
            UNION ALL
            SELECT proname FROM pg_catalog.pg_proc WHERE pronamespace = space.oid
        ) AS found
        WHERE space.nspname IN ('concurrency', 'pooling')";
    let there: BTreeSet<String> = observer
        .rows(sql)
        .await
        .iter()
        .map(|row| row.get(0))
        .collect();
    let known: BTreeSet<String> = IN_SQL
        .iter()
        .map(|one| one.0)
        .chain(ACTS)
        .map(str::to_owned)
        .collect();
    assert_eq!(there, known, "what the schema has, and what the tests know");
}
