//! Tests of each subject's verdict on both sides of each of its thresholds.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Thresholds;
use crate::activity::{CacheRow, StatementTotalsRow, TransactionTotalsRow};
use crate::bloat::indexes::IndexBloatRow;
use crate::bloat::tables::TableBloatRow;
use crate::blocking::{BlockingReport, Class, Participant, Wait, WaitCycle, Who};
use crate::connections::{ConnectionLimitsRow, IdleTotalsRow};
use crate::deadlocks::{DeadlockRisk, DeadlockTotalRow, RiskKind, RiskLevel};
use crate::health::HealthCheck;
use crate::horizon::{HorizonHolderRow, HorizonReport};
use crate::indexes::{IndexFinding, IndexProblem, IndexRow};
use crate::sealing::{ConsumerLagRow, SealingLagRow};
use crate::section::{Cause, Section, Unreadable};
use crate::wraparound::{DatabaseAgeRow, STOP_AGE};

fn connections(percent: u64) -> Findings {
    Findings::Connections(ConnectionFindings {
        limits: Section::available(ConnectionLimitsRow {
            max_connections: 110,
            reserved_connections: 10,
            usable_connections: 100,
            used_connections: signed(percent),
            tightest_scope: "server".to_owned(),
            tightest_name: None,
            tightest_usable: 100,
            tightest_used: signed(percent),
        }),
        analysis: Section::available(Vec::new()),
    })
}

fn idle(totals: IdleTotalsRow) -> Findings {
    Findings::Idle(IdleFindings {
        connections: Section::available(Vec::new()),
        totals: Section::available(totals),
    })
}

fn locks(seconds: f64, is_deadlock: bool) -> Findings {
    let who = Who::Session { process_id: 7 };
    let waiting = Participant {
        who: who.clone(),
        database: None,
        username: None,
        application_name: None,
        client_address: None,
        backend_type: None,
        state: None,
        query: None,
        transaction_started_at: None,
        class: Class::Waiting,
        remedy: "Wait.".to_owned(),
        wait: Some(Wait {
            since: None,
            seconds: Some(seconds),
            lock: None,
            blockers_total: 1,
            roots: Vec::new(),
            cycle: None,
            behind_cycles: Vec::new(),
            depth: 1,
        }),
    };
    let cycle = WaitCycle {
        members: vec![who],
        is_certain: is_deadlock,
        is_ended_by_server: true,
        remedy: "Cancel one.".to_owned(),
    };
    Findings::Locks(LockFindings {
        report: Section::available(BlockingReport {
            roots: Vec::new(),
            cycles: vec![cycle],
            edges: Vec::new(),
            participants: vec![waiting],
            lock_waiters_total: 1,
        }),
    })
}

fn deadlocks(logged: u64, risks: Vec<DeadlockRisk>) -> Findings {
    Findings::Deadlocks(DeadlockFindings {
        log: Section::available(Vec::new()),
        log_total: Section::available(DeadlockTotalRow {
            logged: signed(logged),
        }),
        counts: Section::available(Vec::new()),
        risks: Section::available(risks),
    })
}

fn risk(level: RiskLevel) -> DeadlockRisk {
    DeadlockRisk {
        risk: RiskKind::Cycle,
        level,
        first: Who::Session { process_id: 1 },
        first_locks: String::new(),
        second: Who::Session { process_id: 2 },
        second_locks: String::new(),
    }
}

fn health(status: Severity) -> Findings {
    let check = HealthCheck {
        check_name: "idle_in_transaction".to_owned(),
        status,
        verdict: None,
        current_value: "1".to_owned(),
        recommendation: "Look at it.".to_owned(),
    };
    Findings::Health(HealthFindings {
        server: Some(Section::available(vec![check])),
        settings: None,
        pools: None,
    })
}

fn transactions(seconds: f64) -> Findings {
    Findings::Transactions(TransactionFindings {
        transactions: Section::available(Vec::new()),
        totals: Section::available(TransactionTotalsRow {
            longest_seconds: Some(seconds),
            // Autovacuum's transactions are not judged, however old they are.
            longest_autovacuum_seconds: Some(1e9),
            ..TransactionTotalsRow::default()
        }),
    })
}

fn statements(milliseconds: f64) -> Findings {
    Findings::Statements(StatementFindings {
        statements: Section::available(Vec::new()),
        totals: Section::available(StatementTotalsRow {
            judged: 1,
            slowest_mean_milliseconds: Some(milliseconds),
        }),
    })
}

fn cache(blocks: u64, hit_percent: f64) -> Findings {
    Findings::Cache(CacheFindings {
        databases: Section::available(vec![CacheRow {
            database: None,
            blocks_hit: signed(blocks),
            blocks_read: 0,
            hit_percent: Some(hit_percent),
            counted_since: None,
        }]),
    })
}

fn bloat(mebibytes: u64, percent: f64, is_confident: bool) -> Findings {
    let size_bytes = signed(mebibytes) << 20;
    let table = TableBloatRow {
        schema_name: "s".to_owned(),
        table_name: "t".to_owned(),
        size_bytes,
        toast_bytes: 0,
        fillfactor: 100,
        live_tuples: 100,
        dead_tuples: 0,
        row_bytes: 1.0,
        free_bytes: 0,
        dead_bytes: 0,
        bloat_bytes: size_bytes,
        free_percent: 0.0,
        dead_percent: 0.0,
        bloat_percent: percent,
        margin_percent: 0.0,
        is_confident,
        doubts: Vec::new(),
        last_analyzed: None,
        last_vacuum: None,
        last_autovacuum: None,
    };
    let index = IndexBloatRow {
        schema_name: "s".to_owned(),
        table_name: "t".to_owned(),
        index_name: "i".to_owned(),
        size_bytes,
        fillfactor: 90,
        entries: 1,
        entry_bytes: 1.0,
        free_percent: 0.0,
        bloat_bytes: size_bytes,
        bloat_percent: percent,
        margin_percent: 0.0,
        is_confident,
        doubts: Vec::new(),
    };
    Findings::Bloat(BloatFindings {
        tables: Section::available(vec![table]),
        indexes: Section::available(vec![index]),
    })
}

fn indexes(problem: IndexProblem) -> Findings {
    let index = IndexRow {
        schema_name: "s".to_owned(),
        table_name: "t".to_owned(),
        index_name: "i".to_owned(),
        method: "btree".to_owned(),
        size_bytes: None,
        is_valid: problem != IndexProblem::Invalid,
        is_ready: true,
        is_being_built: false,
        is_unique: false,
        constraint_name: None,
        foreign_key_name: None,
        is_replica_identity: false,
        is_clustered: false,
        is_of_partition: false,
        keys: Vec::new(),
        included: Vec::new(),
        predicate: None,
        scans: 0,
        last_scan: None,
        counted_since: None,
        counted_seconds: 1e9,
        has_standbys: false,
    };
    Findings::Indexes(IndexFindings {
        indexes: Section::available(vec![IndexFinding {
            index,
            problem,
            needed_for: Vec::new(),
            is_leftover: false,
            is_too_early: false,
            caveats: Vec::new(),
        }]),
    })
}

fn vacuum(age: i64, held: i64) -> Findings {
    let holder = HorizonHolderRow {
        kind: "session".to_owned(),
        identity: "7".to_owned(),
        process_id: None,
        database_name: None,
        user_name: None,
        application_name: None,
        state: None,
        age_transactions: held,
        age_seconds: None,
        is_catalog_only: false,
    };
    let database = DatabaseAgeRow {
        database_name: "bank".to_owned(),
        transaction_age: age,
        multixact_age: 0,
        transaction_age_max: 200_000_000,
        multixact_age_max: 400_000_000,
    };
    Findings::Vacuum(VacuumFindings {
        wraparound: Section::available(vec![database]),
        horizon: Section::available(HorizonReport {
            holders: vec![holder],
            sees_session_details: true,
        }),
    })
}

fn sealing(record_seconds: f64, event_seconds: f64) -> Findings {
    Findings::Sealing(SealingFindings {
        sealer: Section::available(vec![SealingLagRow {
            seal_number: 1,
            last_position: 9,
            waiting_records: 2,
            waiting_seconds: record_seconds,
        }]),
        consumers: Section::available(vec![ConsumerLagRow {
            consumer_name: "notifications".to_owned(),
            last_position: 7,
            waiting_events: 2,
            waiting_seconds: event_seconds,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        }]),
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap()
}

fn float(number: u64) -> f64 {
    text::count(number)
}

fn severity_of(findings: &Findings) -> Severity {
    findings.verdict(&Thresholds::default()).severity
}

/// Checks the severity just below `warning`, at it, just below `critical`, and at it.
fn expect_edges(
    thresholds: &Thresholds,
    (warning, critical): (u64, u64),
    step: f64,
    findings: impl Fn(f64) -> Findings,
) -> Result<(), TestCaseError> {
    let at = |value: f64| findings(value).verdict(thresholds).severity;
    let (warning_at, critical_at) = (float(warning), float(critical));
    prop_assert_eq!(at(warning_at - step), Severity::Ok);
    let expected = if warning < critical {
        Severity::Warning
    } else {
        Severity::Critical
    };
    prop_assert_eq!(at(warning_at), expected);
    if warning < critical {
        prop_assert_eq!(at(critical_at - step), Severity::Warning);
    }
    prop_assert_eq!(at(critical_at), Severity::Critical);
    Ok(())
}

/// Generates a warning threshold and a critical one that is not below it.
fn pair(max: u64) -> impl Strategy<Value = (u64, u64)> {
    (1..=max).prop_flat_map(move |warning| (Just(warning), warning..=max))
}

proptest! {
    #[test]
    fn connections_alert_from_their_thresholds_on(edges in pair(100)) {
        let mut thresholds = Thresholds::default();
        thresholds.connections.usage_warning_percent = edges.0;
        thresholds.connections.usage_critical_percent = edges.1;
        expect_edges(&thresholds, edges, 1.0, |percent| connections(whole(percent)))?;
    }

    #[test]
    fn idle_transactions_alert_from_their_thresholds_on(edges in pair(1_000_000)) {
        let mut thresholds = Thresholds::default();
        thresholds.transactions.idle_warning_seconds = edges.0;
        thresholds.transactions.idle_critical_seconds = edges.1;
        expect_edges(&thresholds, edges, 0.001, |seconds| {
            idle(IdleTotalsRow {
                longest_in_transaction_seconds: Some(seconds),
                ..IdleTotalsRow::default()
            })
        })?;
    }

    #[test]
    fn lock_waits_alert_from_their_thresholds_on(edges in pair(1_000_000)) {
        let mut thresholds = Thresholds::default();
        thresholds.locks.wait_warning_milliseconds = edges.0;
        thresholds.locks.wait_critical_milliseconds = edges.1;
        expect_edges(&thresholds, edges, 1.0, |milliseconds| {
            locks(Duration::from_millis(whole(milliseconds)).as_secs_f64(), false)
        })?;
    }

    #[test]
    fn logged_deadlocks_alert_from_their_thresholds_on(edges in pair(1_000_000)) {
        let mut thresholds = Thresholds::default();
        thresholds.locks.deadlocks_warning_count = edges.0;
        thresholds.locks.deadlocks_critical_count = edges.1;
        expect_edges(&thresholds, edges, 1.0, |value| deadlocks(whole(value), Vec::new()))?;
    }

    #[test]
    fn long_transactions_alert_from_their_thresholds_on(edges in pair(1_000_000)) {
        let mut thresholds = Thresholds::default();
        thresholds.transactions.long_warning_seconds = edges.0;
        thresholds.transactions.long_critical_seconds = edges.1;
        expect_edges(&thresholds, edges, 0.001, transactions)?;
    }

    #[test]
    fn slow_statements_alert_from_their_thresholds_on(edges in pair(1_000_000)) {
        let mut thresholds = Thresholds::default();
        thresholds.statements.mean_warning_milliseconds = edges.0;
        thresholds.statements.mean_critical_milliseconds = edges.1;
        expect_edges(&thresholds, edges, 0.001, statements)?;
    }

    /// The hit ratio alerts below its thresholds, and only where enough blocks were requested.
    #[test]
    fn cache_hits_alert_below_their_thresholds(
        (critical, warning) in pair(99), blocks_min in 1..1_000_000_u64,
    ) {
        let mut thresholds = Thresholds::default();
        thresholds.cache.hit_warning_percent = warning;
        thresholds.cache.hit_critical_percent = critical;
        thresholds.cache.blocks_min = blocks_min;
        let at = |blocks, percent| cache(blocks, percent).verdict(&thresholds).severity;
        prop_assert_eq!(at(blocks_min, float(warning)), Severity::Ok);
        prop_assert_eq!(at(blocks_min, float(critical) - 0.001), Severity::Critical);
        prop_assert_eq!(at(blocks_min - 1, float(critical) - 0.001), Severity::Ok);
        if critical < warning {
            prop_assert_eq!(at(blocks_min, float(warning) - 0.001), Severity::Warning);
            prop_assert_eq!(at(blocks_min, float(critical)), Severity::Warning);
        }
    }

    /// Bloat alerts from its thresholds on, in a file that is large enough and an estimate that is
    /// confident.
    #[test]
    fn bloat_alerts_from_its_thresholds_on(edges in pair(100), size in 2..1_000_000_u64) {
        let mut thresholds = Thresholds::default();
        thresholds.bloat.share_warning_percent = edges.0;
        thresholds.bloat.share_critical_percent = edges.1;
        thresholds.bloat.size_min_mebibytes = size;
        expect_edges(&thresholds, edges, 0.001, |percent| bloat(size, percent, true))?;
        let small = bloat(size - 1, 100.0, true).verdict(&thresholds);
        let unsure = bloat(size, 100.0, false).verdict(&thresholds);
        prop_assert_eq!((small.severity, unsure.severity), (Severity::Ok, Severity::Ok));
    }

    #[test]
    fn held_rows_alert_from_their_thresholds_on(edges in pair(2_000_000_000)) {
        let mut thresholds = Thresholds::default();
        thresholds.vacuum.held_warning_transactions = edges.0;
        thresholds.vacuum.held_critical_transactions = edges.1;
        expect_edges(&thresholds, edges, 1.0, |held| vacuum(0, signed(whole(held))))?;
    }

    #[test]
    fn lags_alert_from_their_thresholds_on(edges in pair(1_000_000)) {
        let mut thresholds = Thresholds::default();
        thresholds.sealing.record_warning_seconds = edges.0;
        thresholds.sealing.record_critical_seconds = edges.1;
        expect_edges(&thresholds, edges, 0.001, |seconds| sealing(seconds, 0.0))?;
        let mut thresholds = Thresholds::default();
        thresholds.sealing.event_warning_seconds = edges.0;
        thresholds.sealing.event_critical_seconds = edges.1;
        expect_edges(&thresholds, edges, 0.001, |seconds| sealing(0.0, seconds))?;
    }

    /// A verdict's severity is that of its worst figure, and a verdict that alerts has advice.
    #[test]
    fn verdict_has_the_severity_of_its_worst_measurement(
        percent in 0..200_u64, age in 0..STOP_AGE, held in any::<i64>(), share in any::<f64>(),
    ) {
        for findings in [connections(percent), vacuum(age, held), bloat(500, share, true)] {
            let verdict = findings.verdict(&Thresholds::default());
            let worst = verdict.worst().unwrap();
            prop_assert_eq!(worst.severity(), verdict.severity);
            prop_assert_eq!(worst.threshold().is_some(), verdict.severity > Severity::Ok);
            prop_assert_eq!(verdict.advice.is_some(), verdict.severity > Severity::Ok);
        }
    }
}

/// Returns an integer of a strategy from the float that the edges are computed with.
fn whole(number: f64) -> u64 {
    format!("{number:.0}").parse().unwrap()
}

#[test]
fn deadlocks_that_exist_are_critical() {
    assert_eq!(severity_of(&locks(0.0, false)), Severity::Ok);
    assert_eq!(severity_of(&locks(0.0, true)), Severity::Critical);
    let risky = deadlocks(0, vec![risk(RiskLevel::High)]);
    assert_eq!(severity_of(&risky), Severity::Ok);
    let certain = deadlocks(0, vec![risk(RiskLevel::Certain)]);
    assert_eq!(severity_of(&certain), Severity::Critical);
    let verdict = locks(0.0, true).verdict(&Thresholds::default());
    assert_eq!(verdict.advice.as_deref(), Some("Cancel one."));
}

#[test]
fn health_check_sets_its_own_severity() {
    for status in Severity::ALL {
        assert_eq!(severity_of(&health(status)), status);
    }
    let verdict = health(Severity::Unknown).verdict(&Thresholds::default());
    assert_eq!(
        verdict.reason().as_deref(),
        Some("server n/a: idle in transaction: Look at it.")
    );
}

#[test]
fn invalid_indexes_warn_and_removable_ones_do_not() {
    assert_eq!(severity_of(&indexes(IndexProblem::Unused)), Severity::Ok);
    let verdict = indexes(IndexProblem::Invalid).verdict(&Thresholds::default());
    assert_eq!(verdict.severity, Severity::Warning);
    assert_eq!(
        verdict.advice.as_deref(),
        Some("Build it again: REINDEX INDEX CONCURRENTLY s.i;")
    );
}

#[test]
fn ages_alert_when_overdue_and_near_wraparound() {
    let max = 200_000_000;
    let end = STOP_AGE / 5 * 4;
    for (age, expected) in [
        (max, Severity::Ok),
        (max * 2 - 1, Severity::Ok),
        (max * 2, Severity::Warning),
        (end - 1, Severity::Warning),
        (end, Severity::Critical),
    ] {
        assert_eq!(severity_of(&vacuum(age, 0)), expected, "{age}");
    }
}

#[test]
fn missing_result_is_unknown_and_absent_subject_is_skipped() {
    let alone = |cause| {
        let databases = Section::not_available(cause, "the reason");
        Findings::Cache(CacheFindings { databases }).verdict(&Thresholds::default())
    };
    let denied = alone(Cause::InsufficientPrivilege);
    assert_eq!(
        (denied.severity, denied.is_absent),
        (Severity::Unknown, false)
    );
    assert_eq!(denied.reason().as_deref(), Some("the reason"));
    let absent = alone(Cause::Missing);
    assert_eq!(
        (absent.severity, absent.is_absent),
        (Severity::Unknown, true)
    );
    let verdicts = [absent.clone(), denied.clone()];
    assert_eq!(severity(&verdicts), Severity::Unknown);
    assert_eq!(worst(&verdicts), Some(&denied));
    assert_eq!(severity(&[absent]), Severity::Ok);
    // One section of several is absent: the verdict judges the others, and only shows it.
    let Findings::Deadlocks(mut found) = deadlocks(0, Vec::new()) else {
        unreachable!()
    };
    found.log = Section::not_available(Cause::Missing, "the reason");
    let partly = Findings::Deadlocks(found.clone()).verdict(&Thresholds::default());
    assert_eq!((partly.severity, partly.reason()), (Severity::Ok, None));
    assert_eq!(partly.message, "0 counted; 0 risks now, 0 of them certain");
    found.log = Section::not_available(Cause::LockTimeout, "the reason");
    let locked = Findings::Deadlocks(found).verdict(&Thresholds::default());
    assert_eq!(locked.severity, Severity::Unknown);
    assert_eq!(locked.reason().as_deref(), Some("log n/a: the reason"));
}

#[test]
fn unreadable_rows_and_untracked_sessions_are_gaps() {
    let unreadable = Section::Available {
        value: Vec::new(),
        unreadable: Some(Unreadable {
            rows: 1,
            reason: "age: out of range".to_owned(),
        }),
    };
    let cache = Findings::Cache(CacheFindings {
        databases: unreadable,
    });
    let verdict = cache.verdict(&Thresholds::default());
    assert_eq!(verdict.severity, Severity::Unknown);
    assert_eq!(
        verdict.reason().as_deref(),
        Some("1 row is left out that cannot be read: age: out of range")
    );
    let untracked = |longest| {
        idle(IdleTotalsRow {
            untracked: 2,
            longest_in_transaction_seconds: longest,
            ..IdleTotalsRow::default()
        })
    };
    assert_eq!(severity_of(&untracked(None)), Severity::Unknown);
    assert_eq!(severity_of(&untracked(Some(1e6))), Severity::Critical);
}

#[test]
fn caller_thresholds_replace_those_of_the_first_figure() {
    let verdict = connections(50).verdict(&Thresholds::default());
    assert_eq!(verdict.severity, Severity::Ok);
    let warned = verdict
        .clone()
        .with_thresholds(Some(Threshold::above(49.0)), None);
    assert_eq!(warned.severity, Severity::Warning);
    assert_eq!(warned.worst().unwrap().metric.name, "limits_usage");
    assert!(warned.advice.is_some() && verdict.advice.is_none());
}

/// Every figure of a verdict is in the registry, so that each renderer knows it.
#[test]
fn verdicts_measure_only_registered_metrics() {
    for findings in [
        connections(1),
        idle(IdleTotalsRow::default()),
        locks(1.0, false),
        deadlocks(1, Vec::new()),
        health(Severity::Ok),
        transactions(1.0),
        statements(1.0),
        cache(1_000_000, 99.0),
        bloat(1, 1.0, true),
        indexes(IndexProblem::Unused),
        vacuum(1, 1),
    ] {
        let verdict = findings.verdict(&Thresholds::default());
        let listed = verdict.subject.metrics();
        for one in verdict.measurements() {
            assert!(listed.contains(&one.metric), "{}", one.metric.name);
        }
        let first = verdict.measurements().next().unwrap();
        assert_eq!(first.metric, listed[0], "{}", verdict.subject);
    }
}
