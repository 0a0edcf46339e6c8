//! The isolation levels, executed.

use std::time::Duration;

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_ops::isolation::{self, Anomaly, IsolationError, Level, Outcome, StepResult};

use crate::harness::{EmptyDatabase, TestBank};
use crate::pool::until;

mod everywhere {
    use super::{
        cancelled_run_drops_its_schema, every_cell_matches_the_documentation,
        observation_follows_the_level_not_the_expectation,
    };
    on_empty_databases!(
        every_cell_matches_the_documentation,
        observation_follows_the_level_not_the_expectation,
        cancelled_run_drops_its_schema,
    );
}

on_both_versions!(
    role_without_create_privilege_is_rejected,
    documented_isolation_results_are_observed,
);

async fn every_cell_matches_the_documentation(empty: EmptyDatabase) {
    let report = isolation::run(&config(&empty)).await.unwrap();
    assert_eq!(report.cells.len(), 40, "{report}");
    assert_eq!(report.surprises().count(), 0, "{report}");
    assert_eq!(report.server_version / 10_000, empty.version as i32);
    // Written by hand, independently of the code's own expectation: the result at each level, in
    // Hermitage's order.
    let table: Vec<String> = Anomaly::ALL
        .iter()
        .map(|anomaly| {
            let cells = Level::ALL.map(|level| {
                match &report.cell(*anomaly, level).unwrap().observed {
                    Outcome::Occurred => "occurs",
                    Outcome::Prevented => "-",
                    Outcome::PreventedWith { sqlstate } => sqlstate,
                    other => panic!("{other:?}"),
                }
                .to_owned()
            });
            format!("{} {}", anomaly.code(), cells.join(" "))
        })
        .collect();
    assert_eq!(
        table,
        [
            "G0 - - 40001 40001",
            "G1a - - - -",
            "G1b - - - -",
            "G1c - - - 40001",
            "OTV - - 40001 40001",
            "PMP occurs occurs - -",
            "P4 occurs occurs 40001 40001",
            "G-single occurs occurs - -",
            "G2-item occurs occurs occurs 40001",
            "G2 occurs occurs occurs 40001",
        ]
    );
    // Waits occurred, and only where a lock conflicts.
    for cell in &report.cells {
        let waits = cell
            .steps
            .iter()
            .filter(|step| step.result == StepResult::Waits);
        let expected = matches!(
            cell.anomaly,
            Anomaly::DirtyWrite | Anomaly::ObservedTransactionVanishes | Anomaly::LostUpdate
        );
        assert_eq!(waits.count(), usize::from(expected), "{cell:#?}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["cells"][3]["observed"]["sqlstate"], "40001");
    assert!(
        report
            .to_string()
            .contains("0 of them different from PostgreSQL's documentation")
    );
    assert_eq!(scratch_schemas(&empty.superuser().await).await, 0);
}

/// The column of SERIALIZABLE, executed at READ COMMITTED: eight cells change, which proves that
/// results are observed.
async fn observation_follows_the_level_not_the_expectation(empty: EmptyDatabase) {
    let mut changed = Vec::new();
    for anomaly in Anomaly::ALL {
        let cell = isolation::observe(&config(&empty), anomaly, Level::ReadCommitted)
            .await
            .unwrap();
        if cell.observed != anomaly.expected(Level::Serializable) {
            changed.push(anomaly.code());
        }
    }
    assert_eq!(
        changed,
        ["G0", "G1c", "OTV", "PMP", "P4", "G-single", "G2-item", "G2"]
    );
}

async fn cancelled_run_drops_its_schema(empty: EmptyDatabase) {
    let watcher = empty.superuser().await;
    let config = config(&empty);
    let run = tokio::spawn(async move { isolation::run(&config).await });
    until("it has begun", async || {
        scratch_schemas(&watcher).await == 1
    })
    .await;
    run.abort();
    assert!(run.await.is_err_and(|error| error.is_cancelled()));
    until("its schema is gone", async || {
        scratch_schemas(&watcher).await == 0
    })
    .await;
    until("its sessions are gone", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND application_name LIKE 'neobank%isolation%'";
        watcher
            .fetch_value::<i64>(statement(sql, []))
            .await
            .unwrap()
            == 0
    })
    .await;
}

async fn role_without_create_privilege_is_rejected(bank: TestBank) {
    let rejected = isolation::run(&bank.config()).await.unwrap_err();
    let IsolationError::NotAllowed { role, .. } = &rejected else {
        panic!("{rejected:?}")
    };
    assert_eq!(role, "neobank_app");
    assert!(rejected.to_string().contains("GRANT CREATE ON DATABASE"));
}

fn config(empty: &EmptyDatabase) -> DatabaseConfig {
    let mut config = DatabaseConfig::from_url(&empty.url).unwrap();
    config.acquire_timeout = Duration::from_secs(20);
    config
}

async fn scratch_schemas(watcher: &Database) -> i64 {
    let sql =
        "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'neobank!_isolation!_%' ESCAPE '!'";
    watcher.fetch_value(statement(sql, [])).await.unwrap()
}

/// The schema's function returns the documentation; here it is compared with this server's
/// behaviour.
async fn documented_isolation_results_are_observed(bank: TestBank) {
    let superuser = bank.superuser().await;
    let report = isolation::run(superuser.config()).await.unwrap();
    for (phenomenon, anomalies) in [
        (
            "Dirty Read",
            [Anomaly::AbortedRead, Anomaly::IntermediateRead],
        ),
        (
            "Non-repeatable Read",
            [Anomaly::ReadSkew, Anomaly::LostUpdate],
        ),
        ("Phantom Read", [Anomaly::PredicateManyPreceders; 2]),
        (
            "Serialization Anomaly",
            [Anomaly::WriteSkew, Anomaly::AntiDependencyCycle],
        ),
    ] {
        for (level, name) in Level::ALL.iter().zip([
            "READ UNCOMMITTED",
            "READ COMMITTED",
            "REPEATABLE READ",
            "SERIALIZABLE",
        ]) {
            let sql = "SELECT allowed FROM concurrency.demonstrate_isolation_levels()
                       WHERE isolation_level = $1 AND phenomenon = $2 AND example LIKE 'Documented: %'";
            let allowed: bool = bank
                .database
                .fetch_value(statement(sql, [name.into(), phenomenon.into()]))
                .await
                .unwrap();
            for anomaly in anomalies {
                let cell = report.cell(anomaly, *level).unwrap();
                let occurred = cell.observed == Outcome::Occurred;
                assert_eq!(allowed, occurred, "{phenomenon}, {anomaly:?}, {name}");
            }
        }
    }
}
