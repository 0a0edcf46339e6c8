//! The command `neobank ops bloat`.

use neobank_ops::TableName;
use neobank_ops::bloat::indexes::IndexBloatRow;
use neobank_ops::bloat::tables::TableBloatRow;
use neobank_ops::checks::text::bytes;
use neobank_ops::checks::{BloatFindings, Verdict};

use super::subject::{Bar, Chart, Shown, message};
use crate::output::{Block, Cell, Style, Table, cell};

/// The greatest number of tables and indexes in the output, those with most bloat first; JSON has
/// all.
const SHOWN_MAX: usize = 25;
/// The greatest number of bars.
const BARS_MAX: usize = 10;

pub(super) fn shown(found: &BloatFindings, verdict: &Verdict) -> Vec<Shown> {
    let of_tables = message(verdict, "tables");
    let of_indexes = message(verdict, "indexes");
    vec![
        Shown::of(&found.tables, |rows| tables(rows, of_tables)),
        Shown::of(&found.indexes, |rows| indexes(rows, of_indexes)),
    ]
}

fn tables(rows: &[TableBloatRow], message: &str) -> Shown {
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
        "no table has bloat",
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
            cell(row.advice()),
        ]);
    }
    let bars = rows.iter().map(|row| {
        let name = TableName::new(&row.schema_name, &row.table_name).to_string();
        (name, row.bloat_bytes, row.bloat_percent)
    });
    let unread = rows.iter().filter(|row| row.has_unread_statistics());
    section("tables", message, table, bars, unread.count())
}

fn indexes(rows: &[IndexBloatRow], message: &str) -> Shown {
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
        "no index has bloat",
    );
    let with_bloat = rows.iter().filter(|row| row.bloat_bytes > 0);
    for row in with_bloat.take(SHOWN_MAX) {
        table.row([
            cell(TableName::new(&row.schema_name, &row.index_name).to_string()),
            cell(bytes(row.size_bytes)),
            cell(bytes(row.bloat_bytes)),
            percent(row.bloat_percent, row.margin_percent),
            confidence(row.is_confident, &row.doubts),
            cell(row.advice()),
        ]);
    }
    let bars = rows.iter().map(|row| {
        let name = TableName::new(&row.schema_name, &row.index_name).to_string();
        (name, row.bloat_bytes, row.bloat_percent)
    });
    let unread = rows.iter().filter(|row| row.has_unread_statistics());
    section("indexes", message, table, bars, unread.count())
}

/// Returns the table below its message, and a bar for each name with bloat: bytes, and their
/// percentage.
fn section(
    what: &str,
    message: &str,
    table: Table,
    sizes: impl Iterator<Item = (String, i64, f64)>,
    unread: usize,
) -> Shown {
    let mut blocks = vec![Block::Note(message.to_owned()), Block::Table(table)];
    if unread > 0 {
        blocks.push(Block::Note(format!(
            "{what} without an estimate: {unread}; the role may not read their statistics: grant it SELECT, or pg_read_all_data"
        )));
    }
    let bars = sizes
        .filter(|(_, bytes, _)| *bytes > 0)
        .take(BARS_MAX)
        .map(|(label, _, value)| Bar {
            label,
            value,
            style: Style::Plain,
        });
    let title = format!("Share of bloat, {what}");
    Shown {
        blocks,
        charts: Chart::of_bars(title, "%", Some(100.0), bars.collect()),
    }
}

fn percent(percent: f64, margin: f64) -> Cell {
    if margin < 100.0 {
        cell(format!("{percent:.1} ± {margin:.1}"))
    } else {
        cell("unknown")
    }
}

fn confidence(is_confident: bool, doubts: &[String]) -> Cell {
    if is_confident {
        cell("confident").style(Style::Good)
    } else {
        cell(format!("in doubt: {}", doubts.join("; "))).style(Style::Warning)
    }
}
