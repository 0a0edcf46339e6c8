//! `neobank ops bloat`.

use neobank_ops::bloat::indexes::{INDEXES_MAX, IndexBloatRow};
use neobank_ops::bloat::tables::{TABLES_MAX, TableBloatRow};
use neobank_ops::{Monitor, OpsError, TableName, Thresholds};

use super::part::{Bar, Chart, Findings, Part, bytes, count};
use crate::nagios::{Measure, Range, Unit};
use crate::output::{Block, Cell, Mood, Table, cell};

/// Tables and indexes that are shown, those with most bloat first; JSON has every one that was looked at.
const SHOWN_MAX: usize = 25;
/// Bars at most.
const BARS_MAX: usize = 10;

pub(super) async fn part(monitor: &Monitor, thresholds: &Thresholds) -> Result<Part, OpsError> {
    of_schemas(monitor, thresholds, None).await
}

/// Of these schemas; of all but the server's own without any.
pub(super) async fn of_schemas(
    monitor: &Monitor,
    thresholds: &Thresholds,
    schemas: Option<&[String]>,
) -> Result<Part, OpsError> {
    let tables = monitor.table_bloat(schemas).await?;
    let indexes = monitor.index_bloat(schemas).await?;
    Ok(Part::join(
        "bloat",
        "Bloat (estimated)",
        vec![
            Part::of("tables", "Tables", &tables, |rows| {
                of_tables(rows, thresholds)
            }),
            Part::of("indexes", "B-tree indexes", &indexes, |rows| {
                of_indexes(rows, thresholds)
            }),
        ],
    ))
}

fn of_tables(rows: &[TableBloatRow], thresholds: &Thresholds) -> Findings {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.bloat_bytes));
    let mut table = Table::new(
        &[
            "Table",
            ">Size",
            ">Bloat",
            ">Bloat %",
            ">Free %",
            ">Dead rows",
            "Confidence",
            "What to do",
        ],
        "no table has anything to give back",
    );
    let with_bloat = rows.iter().filter(|row| row.bloat_bytes > 0);
    for row in with_bloat.take(SHOWN_MAX) {
        table.row([
            cell(TableName::new(&row.schema_name, &row.table_name).to_string()),
            cell(bytes(row.size_bytes)),
            cell(bytes(row.bloat_bytes)),
            percent(row.bloat_percent, row.margin_percent),
            cell(format!("{:.1}", row.free_percent)),
            cell(row.dead_tuples),
            confidence(row.is_confident, &row.doubts),
            cell(table_remedy(row)),
        ]);
    }
    let sizes = rows.iter().map(|row| {
        let name = TableName::new(&row.schema_name, &row.table_name).to_string();
        (name, row.bloat_bytes, row.bloat_percent)
    });
    let judged = rows
        .iter()
        .filter(|row| row.is_confident)
        .map(|row| (row.size_bytes, row.bloat_percent));
    let worst = worst(judged, thresholds);
    let unread = rows
        .iter()
        .filter(|row| has_unread_statistics(&row.doubts))
        .count();
    findings("tables", TABLES_MAX, table, sizes.collect(), worst, unread)
}

fn of_indexes(rows: &[IndexBloatRow], thresholds: &Thresholds) -> Findings {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.bloat_bytes));
    let mut table = Table::new(
        &[
            "Index",
            ">Size",
            ">Bloat",
            ">Bloat %",
            "Confidence",
            "What to do",
        ],
        "no index has anything to give back",
    );
    let with_bloat = rows.iter().filter(|row| row.bloat_bytes > 0);
    for row in with_bloat.take(SHOWN_MAX) {
        table.row([
            cell(TableName::new(&row.schema_name, &row.index_name).to_string()),
            cell(bytes(row.size_bytes)),
            cell(bytes(row.bloat_bytes)),
            percent(row.bloat_percent, row.margin_percent),
            confidence(row.is_confident, &row.doubts),
            cell(index_remedy(row)),
        ]);
    }
    let sizes = rows.iter().map(|row| {
        let name = TableName::new(&row.schema_name, &row.index_name).to_string();
        (name, row.bloat_bytes, row.bloat_percent)
    });
    let judged = rows
        .iter()
        .filter(|row| row.is_confident)
        .map(|row| (row.size_bytes, row.bloat_percent));
    let worst = worst(judged, thresholds);
    let unread = rows
        .iter()
        .filter(|row| has_unread_statistics(&row.doubts))
        .count();
    findings(
        "indexes",
        INDEXES_MAX,
        table,
        sizes.collect(),
        worst,
        unread,
    )
}

/// Whether there is no figure, because the role may not read the statistics.
fn has_unread_statistics(doubts: &[String]) -> bool {
    doubts
        .iter()
        .any(|doubt| doubt == "statistics may not be read")
}

/// The largest share of bloat among those that are large enough to be judged.
fn worst(judged: impl Iterator<Item = (i64, f64)>, thresholds: &Thresholds) -> Measure {
    let least = i64::try_from(thresholds.bloat.size_min_mebibytes).unwrap_or(i64::MAX);
    let share = judged
        .filter(|(size_bytes, _)| size_bytes >> 20 >= least)
        .map(|(_, percent)| percent)
        .fold(0.0, f64::max);
    Measure::new("worst", share, Unit::Percent).limits(
        Some(Range::from(count(thresholds.bloat.share_warning_percent))),
        Some(Range::from(count(thresholds.bloat.share_critical_percent))),
    )
}

fn findings(
    what: &str,
    most: usize,
    table: Table,
    sizes: Vec<(String, i64, f64)>,
    worst: Measure,
    unread: usize,
) -> Findings {
    let total = sizes
        .iter()
        .map(|(_, bytes, _)| *bytes)
        .fold(0, i64::saturating_add);
    let which = if sizes.len() < most {
        ""
    } else {
        "the largest "
    };
    let summary = format!("{} of bloat in {which}{} {what}", bytes(total), sizes.len());
    let bars: Vec<_> = sizes
        .into_iter()
        .filter(|(_, bytes, _)| *bytes > 0)
        .take(BARS_MAX)
        .map(|(label, _, value)| Bar {
            label,
            value,
            mood: Mood::Plain,
        })
        .collect();
    let chart = Chart {
        title: format!("Share of bloat, {what}"),
        unit: "%",
        end: Some(100.0),
        bars,
    };
    let mut blocks = vec![Block::Note(summary.clone()), Block::Table(table)];
    if unread > 0 {
        blocks.push(Block::Note(format!(
            "nothing is known of {unread} {what}: the role may not read their statistics; grant it SELECT, or pg_read_all_data"
        )));
    }
    // Kilobytes keep a large database within what a count can hold.
    Findings {
        blocks,
        charts: if chart.bars.is_empty() {
            Vec::new()
        } else {
            vec![chart]
        },
        summary,
        measures: vec![
            worst,
            Measure::new(
                &format!("{what}_kilobytes"),
                count(total / 1024),
                Unit::Count,
            ),
        ],
    }
}

fn percent(percent: f64, margin: f64) -> Cell {
    if margin < 100.0 {
        cell(format!("{percent:.1} ± {margin:.1}"))
    } else {
        cell("not known")
    }
}

/// From this share on it is worth a rewrite: less comes back by itself as rows are written.
const WORTH_PERCENT: f64 = 30.0;
/// Below this, nobody would notice.
const WORTH_BYTES: i64 = 1 << 20;

/// Dead rows are cleaned first; a rewrite is worth it for a large share of a file of some size, where that is sure.
fn table_remedy(row: &TableBloatRow) -> String {
    let name = TableName::new(&row.schema_name, &row.table_name);
    if row.dead_tuples > row.live_tuples / 5 {
        return format!("VACUUM (ANALYZE) {name};");
    }
    let is_worth_it = row.bloat_percent >= WORTH_PERCENT && row.bloat_bytes >= WORTH_BYTES;
    match (is_worth_it, row.is_confident) {
        (false, _) => "Nothing: new rows fill it.".to_owned(),
        (true, true) => format!("VACUUM (FULL) {name}; nobody can read it meanwhile"),
        (true, false) => format!("First make sure: ANALYZE {name};"),
    }
}

fn index_remedy(row: &IndexBloatRow) -> String {
    let table = TableName::new(&row.schema_name, &row.table_name);
    let name = TableName::new(&row.schema_name, &row.index_name);
    let is_worth_it = row.bloat_percent >= WORTH_PERCENT && row.bloat_bytes >= WORTH_BYTES;
    match (is_worth_it, row.is_confident) {
        (false, _) => "Nothing: new entries fill it.".to_owned(),
        (true, true) => format!("REINDEX INDEX CONCURRENTLY {name};"),
        (true, false) => format!("First make sure: VACUUM (ANALYZE) {table};"),
    }
}

fn confidence(is_confident: bool, doubts: &[String]) -> Cell {
    if is_confident {
        cell("confident").mood(Mood::Good)
    } else {
        cell(format!("in doubt: {}", doubts.join("; "))).mood(Mood::Warning)
    }
}
