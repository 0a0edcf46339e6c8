//! The command `neobank ops mvcc`.

use clap::Args;
use neobank_ops::mvcc::{Pages, RowVersion, RowVersions};
use neobank_ops::{Section, TableName};

use super::MonitoringArguments;
use super::subject::word;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Cell, Output, Style, Table, cell, optional};

#[derive(Debug, Args)]
pub(crate) struct MvccArguments {
    /// The table's schema, without quotes
    schema: String,
    /// The table's name in it, without quotes
    table: String,
    /// The first page to read
    #[arg(long, default_value_t = 0)]
    first_page: u32,
    /// The number of pages to read
    #[arg(long, default_value_t = 100)]
    pages: u32,
    #[command(flatten)]
    monitoring: MonitoringArguments,
}

pub(super) async fn run(
    name: &'static str,
    arguments: &MvccArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let (monitor, _) = arguments.monitoring.open(connection).await?;
    let table = TableName::new(&arguments.schema, &arguments.table);
    let pages = Pages::new(arguments.first_page, arguments.pages);
    let section = monitor.row_versions(&table, pages).await?;
    let blocks = match &section {
        Section::Available { value, .. } => blocks(value),
        Section::NotAvailable { reason } => vec![Block::Note(format!("n/a: {reason}"))],
    };
    let failed = section.value().is_none();
    Ok(Output::new(name, &section, blocks)?.failed_if(failed))
}

fn blocks(found: &RowVersions) -> Vec<Block> {
    let mut table = Table::new(
        &[
            "Place",
            ">xmin",
            "Made by",
            ">xmax",
            "Removed by",
            "Locked by",
            "Newer version",
            "Visible",
        ],
        "there are no row versions on these pages",
    );
    for version in &found.versions {
        table.row(row(version));
    }
    let mut blocks = vec![
        Block::Fields(vec![
            ("table", cell(&found.table)),
            ("pages", cell(found.page_count)),
            ("snapshot", cell(&found.snapshot)),
        ]),
        Block::Table(table),
    ];
    if let Some(reason) = &found.pages_not_read {
        blocks.push(Block::Note(format!(
            "only visible versions are shown, since the pages were not read: {reason}"
        )));
    }
    blocks
}

fn row(version: &RowVersion) -> [Cell; 8] {
    let lockers = version.lockers.as_ref().map(|lockers| {
        let one =
            |locker: &neobank_ops::mvcc::Locker| format!("{} {}", locker.xid, word(locker.mode));
        lockers.iter().map(one).collect::<Vec<_>>().join(", ")
    });
    let (visible, style) = if version.visible {
        ("yes", Style::Good)
    } else {
        ("no", Style::Warning)
    };
    [
        cell(&version.place),
        cell(version.xmin),
        cell(word(version.creator)),
        cell(version.xmax),
        optional(version.remover.map(word)),
        optional(lockers.filter(|lockers| !lockers.is_empty())),
        optional(version.newer_version.as_ref()),
        cell(visible).style(style),
    ]
}
