//! Tables, indexes, and the age of rows.

use neobank_ops::bloat::indexes::IndexBloatRow;
use neobank_ops::bloat::tables::TableBloatRow;
use neobank_ops::horizon::HorizonReport;
use neobank_ops::indexes::{IndexFinding, IndexProblem, IndexUse};
use neobank_ops::wraparound::{AgeLevel, DatabaseAgeRow};

use super::{age_or_dash, bytes, or_dash, plural, unsigned};
use crate::report::model::{Answer, Bar, Tone};
use crate::text::count;

pub(in crate::report) fn table_bloat(mut rows: Vec<TableBloatRow>) -> Answer {
    rows.sort_by_key(|row| std::cmp::Reverse(row.bloat_bytes));
    let bars: Vec<_> = rows
        .iter()
        .filter(|row| row.bloat_bytes > 0)
        .map(|row| Bar {
            label: format!("{}.{}", row.schema_name, row.table_name),
            value: unsigned(row.bloat_bytes),
            shown: format!("{}, {:.0}%", bytes(row.bloat_bytes), row.bloat_percent),
            tone: Tone::Plain,
        })
        .collect();
    let rows = rows
        .into_iter()
        .map(|row| {
            vec![
                format!("{}.{}", row.schema_name, row.table_name),
                bytes(row.size_bytes),
                percent(row.bloat_percent, row.margin_percent),
                bytes(row.dead_bytes),
                row.dead_tuples.to_string(),
                confidence(row.is_confident, &row.doubts),
            ]
        })
        .collect();
    Answer::table(
        vec!["table", "size", "bloat", "dead", "dead rows", "confidence"],
        rows,
    )
    .with_bars(bars)
}

pub(in crate::report) fn index_bloat(mut rows: Vec<IndexBloatRow>) -> Answer {
    rows.sort_by_key(|row| std::cmp::Reverse(row.bloat_bytes));
    let rows = rows
        .into_iter()
        .map(|row| {
            vec![
                format!("{}.{}", row.schema_name, row.index_name),
                row.table_name,
                bytes(row.size_bytes),
                percent(row.bloat_percent, row.margin_percent),
                confidence(row.is_confident, &row.doubts),
            ]
        })
        .collect();
    Answer::table(vec!["index", "table", "size", "bloat", "confidence"], rows)
}

fn percent(share: f64, margin: f64) -> String {
    format!("{share:.0}% ± {margin:.0}")
}

fn confidence(is_confident: bool, doubts: &[String]) -> String {
    if is_confident {
        "yes".to_owned()
    } else {
        doubts.join("; ")
    }
}

pub(in crate::report) fn indexes(findings: Vec<IndexFinding>) -> Answer {
    let invalid = findings
        .iter()
        .filter(|finding| finding.problem == IndexProblem::Invalid)
        .count();
    let rows = findings
        .into_iter()
        .map(|finding| {
            let problem = match &finding.problem {
                IndexProblem::Invalid => "invalid".to_owned(),
                IndexProblem::Duplicate { of } => format!("the same as {of}"),
                IndexProblem::Prefix { of } => format!("the beginning of {of}"),
                IndexProblem::Unused => "unused".to_owned(),
                other => format!("{other:?}"),
            };
            let uses: Vec<_> = finding.needed_for.iter().map(index_use).collect();
            vec![
                format!("{}.{}", finding.index.schema_name, finding.index.index_name),
                finding.index.table_name,
                finding.index.size_bytes.map_or("-".to_owned(), bytes),
                problem,
                if uses.is_empty() {
                    "can be removed".to_owned()
                } else {
                    uses.join(", ")
                },
                finding.caveats.join("; "),
            ]
        })
        .collect();
    Answer::table(
        vec!["index", "table", "size", "problem", "needed for", "caveats"],
        rows,
    )
    .with_if(
        invalid > 0,
        Tone::Warning,
        format!(
            "{} not valid: left by a build that failed.",
            plural(invalid, "index is", "indexes are")
        ),
    )
}

fn index_use(needed: &IndexUse) -> String {
    match needed {
        IndexUse::Unique => "uniqueness".to_owned(),
        IndexUse::Constraint { name } => format!("constraint {name}"),
        IndexUse::ReplicaIdentity => "replica identity".to_owned(),
        IndexUse::Partition => "its partitioned index".to_owned(),
        other => format!("{other:?}"),
    }
}

pub(in crate::report) fn wraparound(rows: Vec<DatabaseAgeRow>) -> Answer {
    let tone = |row: &DatabaseAgeRow| match row.level() {
        AgeLevel::Critical => Tone::Critical,
        AgeLevel::Overdue => Tone::Warning,
        _ => Tone::Good,
    };
    let bars: Vec<_> = rows
        .iter()
        .map(|row| Bar {
            label: row.database_name.clone(),
            value: unsigned(row.transaction_age),
            shown: format!("{} transactions", count(unsigned(row.transaction_age))),
            tone: tone(row),
        })
        .collect();
    let mut answer = Answer::table(
        vec![
            "database",
            "age",
            "autovacuum from",
            "left",
            "multixact age",
        ],
        rows.iter()
            .map(|row| {
                vec![
                    row.database_name.clone(),
                    count(unsigned(row.transaction_age)),
                    count(unsigned(row.transaction_age_max)),
                    count(unsigned(row.transactions_left())),
                    count(unsigned(row.multixact_age)),
                ]
            })
            .collect(),
    );
    for row in &rows {
        answer = answer.with_if(
            tone(row) >= Tone::Warning,
            tone(row),
            format!(
                "{} has {} transactions left until the server stops taking writes.",
                row.database_name,
                count(unsigned(row.transactions_left()))
            ),
        );
    }
    answer.with_bars(bars)
}

pub(in crate::report) fn horizon(report: HorizonReport) -> Answer {
    let sees_all = report.sees_session_details;
    let rows = report
        .holders
        .into_iter()
        .map(|row| {
            vec![
                row.kind,
                row.identity,
                or_dash(row.user_name),
                or_dash(row.state),
                count(unsigned(row.age_transactions)),
                age_or_dash(row.age_seconds),
            ]
        })
        .collect();
    Answer::table(
        vec!["kind", "who", "user", "state", "transactions back", "for"],
        rows,
    )
    .with_if(
        !sees_all,
        Tone::Plain,
        "This role does not see what other sessions hold: it takes pg_monitor.".to_owned(),
    )
}
