//! Connections, waits, transactions.

use neobank_ops::activity::TransactionRow;
use neobank_ops::blocking::BlockingReport;
use neobank_ops::connections::{ConnectionLimitsRow, ConnectionRow, IdleConnectionRow};
use neobank_ops::deadlocks::{DeadlockRisk, DeadlockRow, RiskKind, RiskLevel};
use neobank_ops::health::{HealthCheck, Status};
use neobank_ops::{Section, Thresholds};

use super::{age, age_or_dash, milliseconds, or_dash, plural, unsigned};
use crate::report::model::{Answer, Bar, Tone};
use crate::top::sample::lines;

pub(in crate::report) fn connections(
    limits: Section<ConnectionLimitsRow>,
    rows: Section<Vec<ConnectionRow>>,
    thresholds: &Thresholds,
) -> Section<Answer> {
    let limits = match limits {
        Section::Available { value } => value,
        Section::NotAvailable { reason } => return Section::NotAvailable { reason },
    };
    rows.map(|rows| {
        let bars = state_bars(&rows);
        let rows = rows.into_iter().map(connection).collect();
        let tone = usage_tone(&limits, thresholds);
        Answer::table(
            vec![
                "user",
                "database",
                "application",
                "address",
                "all",
                "active",
                "idle",
                "idle in tx",
                "aborted tx",
                "wait for locks",
                "oldest tx",
            ],
            rows,
        )
        .with(
            tone,
            format!(
                "{} of {} usable connections are taken.",
                limits.used_connections, limits.usable_connections
            ),
        )
        .with_bars(bars)
    })
}

fn usage_tone(limits: &ConnectionLimitsRow, thresholds: &Thresholds) -> Tone {
    let usable = unsigned(i64::from(limits.usable_connections)).max(1);
    let percent = unsigned(limits.used_connections).saturating_mul(100) / usable;
    let of = &thresholds.connections;
    Tone::of(percent, of.usage_warning_percent, of.usage_critical_percent)
}

fn state_bars(rows: &[ConnectionRow]) -> Vec<Bar> {
    let bar = |label: &str, tone, count: fn(&ConnectionRow) -> i64| {
        let value = unsigned(rows.iter().map(count).sum());
        Bar {
            label: label.to_owned(),
            value,
            shown: value.to_string(),
            tone,
        }
    };
    vec![
        bar("active", Tone::Good, |row| row.active),
        bar("idle", Tone::Plain, |row| row.idle),
        bar("idle in transaction", Tone::Warning, |row| {
            row.idle_in_transaction
        }),
        bar("aborted transaction", Tone::Critical, |row| row.aborted),
        bar("wait for locks", Tone::Critical, |row| row.waiting_for_lock),
    ]
}

fn connection(row: ConnectionRow) -> Vec<String> {
    vec![
        or_dash(row.username),
        or_dash(row.database),
        or_dash(row.application_name),
        or_dash(row.client_address),
        row.total_connections.to_string(),
        row.active.to_string(),
        row.idle.to_string(),
        row.idle_in_transaction.to_string(),
        row.aborted.to_string(),
        row.waiting_for_lock.to_string(),
        age_or_dash(row.oldest_transaction_seconds),
    ]
}

pub(in crate::report) fn health(checks: Vec<HealthCheck>) -> Answer {
    let mut answer = Answer::default();
    for check in checks {
        let (tone, word) = match check.status {
            Status::Critical => (Tone::Critical, "CRITICAL"),
            Status::Warning => (Tone::Warning, "WARNING"),
            Status::Unknown => (Tone::Plain, "UNKNOWN"),
            Status::Ok => (Tone::Good, "OK"),
        };
        let (name, value) = (check.check_name.replace('_', " "), check.current_value);
        answer = answer.with(
            tone,
            format!("{word}, {name}: {value}. {}", check.recommendation),
        );
    }
    answer
}

pub(in crate::report) fn blocking(report: &BlockingReport, thresholds: &Thresholds) -> Answer {
    let lines = lines(report);
    let longest = lines.iter().filter_map(|line| line.wait_milliseconds).max();
    let of = &thresholds.locks;
    let tone = Tone::of(
        unsigned(longest.unwrap_or_default()),
        of.wait_warning_milliseconds,
        of.wait_critical_milliseconds,
    );
    let bars: Vec<_> = lines
        .iter()
        .filter(|line| line.depth == 0 && line.place == "blocks")
        .map(|line| Bar {
            label: format!("{} {}", line.name, line.place),
            value: u64::try_from(line.waiters.unwrap_or_default()).unwrap_or_default(),
            shown: plural(line.waiters.unwrap_or_default(), "waiter", "waiters"),
            tone,
        })
        .collect();
    let rows = lines
        .iter()
        .map(|line| {
            let who = if line.place == "cycle" {
                "cycle".to_owned()
            } else {
                format!("{} {}", line.name, line.place)
            };
            vec![
                format!("{}{who}", "· ".repeat(line.depth)),
                line.wait_milliseconds
                    .map_or("-".to_owned(), crate::text::age),
                or_dash(line.username.clone()),
                or_dash(line.state.clone()),
                or_dash(line.lock.clone()),
                or_dash(line.statement.clone()),
                if line.depth == 0 {
                    line.remedy.clone()
                } else {
                    String::new()
                },
            ]
        })
        .collect();
    let waiters = plural(
        usize::try_from(report.lock_waiters_total).unwrap_or(usize::MAX),
        "session waits",
        "sessions wait",
    );
    Answer::table(
        vec!["who", "for", "user", "state", "lock", "statement", "remedy"],
        rows,
    )
    .with_if(
        longest.is_some(),
        tone,
        format!(
            "{waiters} for a lock; the longest wait is {}.",
            crate::text::age(longest.unwrap_or_default())
        ),
    )
    .with_if(
        !report.cycles.is_empty(),
        Tone::Critical,
        plural(
            report.cycles.len(),
            "group of sessions waits for each other.",
            "groups of sessions wait for each other.",
        ),
    )
    .with_bars(bars)
}

pub(in crate::report) fn deadlocks(rows: Vec<DeadlockRow>, thresholds: &Thresholds) -> Answer {
    let count = rows.len();
    let of = &thresholds.locks;
    let tone = Tone::of(
        u64::try_from(count).unwrap_or(u64::MAX),
        of.deadlocks_warning_count,
        of.deadlocks_critical_count,
    );
    let rows = rows
        .into_iter()
        .map(|row| {
            vec![
                row.deadlock_time.format("%Y-%m-%d %H:%M:%S").to_string(),
                row.process_id
                    .map_or("-".to_owned(), |number| number.to_string()),
                or_dash(row.query_text),
                or_dash(row.resolution),
            ]
        })
        .collect();
    Answer::table(
        vec!["time (UTC)", "process", "statement", "resolution"],
        rows,
    )
    .with(
        tone,
        format!(
            "{} in {} hours.",
            plural(count, "deadlock", "deadlocks"),
            of.deadlock_window_hours
        ),
    )
}

pub(in crate::report) fn deadlock_risks(risks: Vec<DeadlockRisk>) -> Answer {
    let is_certain = risks
        .iter()
        .any(|risk| matches!(risk.level, RiskLevel::Certain));
    let count = risks.len();
    let rows = risks
        .into_iter()
        .map(|risk| {
            vec![
                risk_kind(risk.risk).to_owned(),
                risk_level(risk.level).to_owned(),
                risk.first.to_string(),
                risk.first_locks,
                risk.second.to_string(),
                risk.second_locks,
            ]
        })
        .collect();
    Answer::table(
        vec!["risk", "level", "first", "its locks", "second", "its locks"],
        rows,
    )
    .with_if(
        is_certain,
        Tone::Critical,
        "Sessions are in a deadlock now.".to_owned(),
    )
    .with_if(
        count > 0 && !is_certain,
        Tone::Warning,
        plural(
            count,
            "pair of sessions could end in a deadlock.",
            "pairs of sessions could end in a deadlock.",
        ),
    )
}

const fn risk_kind(kind: RiskKind) -> &'static str {
    match kind {
        RiskKind::Cycle => "wait for each other",
        RiskKind::HoldAndWait => "holds and waits",
        RiskKind::LockOrderInversion => "locks in another order",
    }
}

const fn risk_level(level: RiskLevel) -> &'static str {
    match level {
        RiskLevel::Certain => "certain",
        RiskLevel::High => "high",
        RiskLevel::Medium => "medium",
    }
}

pub(in crate::report) fn transactions(
    rows: Vec<TransactionRow>,
    thresholds: &Thresholds,
) -> Answer {
    let of = &thresholds.transactions;
    let oldest = rows.first().map_or(0.0, |row| row.transaction_seconds);
    let tone = Tone::of(
        unsigned(milliseconds(oldest)),
        of.long_warning_seconds.saturating_mul(1_000),
        of.long_critical_seconds.saturating_mul(1_000),
    );
    let count = rows.len();
    let bars: Vec<_> = rows
        .iter()
        .map(|row| Bar {
            label: format!("{} {}", row.process_id, or_dash(row.username.clone())),
            value: unsigned(milliseconds(row.transaction_seconds)),
            shown: age(row.transaction_seconds),
            tone,
        })
        .collect();
    let rows = rows
        .into_iter()
        .map(|row| {
            vec![
                row.process_id.to_string(),
                or_dash(row.username),
                or_dash(row.database),
                or_dash(row.application_name),
                or_dash(row.state),
                age(row.transaction_seconds),
                or_dash(row.query),
            ]
        })
        .collect();
    Answer::table(
        vec![
            "process",
            "user",
            "database",
            "application",
            "state",
            "age",
            "statement",
        ],
        rows,
    )
    .with_if(
        count > 0,
        tone,
        format!(
            "{}; the oldest has been open for {}.",
            plural(count, "long transaction", "long transactions"),
            age(oldest)
        ),
    )
    .with_bars(bars)
}

pub(in crate::report) fn idle(rows: Vec<IdleConnectionRow>) -> Answer {
    let rows = rows
        .into_iter()
        .map(|row| {
            vec![
                row.process_id.to_string(),
                or_dash(row.username),
                or_dash(row.database),
                or_dash(row.application_name),
                row.state,
                age(row.idle_seconds),
                or_dash(row.query),
            ]
        })
        .collect();
    Answer::table(
        vec![
            "process",
            "user",
            "database",
            "application",
            "state",
            "idle for",
            "last statement",
        ],
        rows,
    )
}
