//! The command `neobank ops isolation`.

use neobank_ops::isolation::{self, Anomaly, IsolationError, IsolationReport, Level};

use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell};

pub(super) async fn run(
    name: &'static str,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let report = isolation::run(&connection.config("isolation")?)
        .await
        .map_err(failure)?;
    let surprises = report.surprises().count();
    let blocks = vec![
        Block::Table(matrix(&report)),
        Block::Note(format!(
            "{} cells were observed on server version {}, {surprises} of them different from PostgreSQL's documentation",
            report.cells.len(),
            report.server_version
        )),
    ];
    Ok(Output::new(name, report, blocks)?.failed_if(surprises > 0))
}

fn matrix(report: &IsolationReport) -> Table {
    let mut table = Table::new(
        &[
            "Anomaly",
            "READ UNCOMMITTED",
            "READ COMMITTED",
            "REPEATABLE READ",
            "SERIALIZABLE",
        ],
        "nothing was observed",
    );
    for anomaly in Anomaly::ALL {
        let cells = Level::ALL.map(|level| match report.cell(anomaly, level) {
            Some(found) if found.is_as_expected() => cell(&found.observed),
            Some(found) => {
                cell(format!("{} (NOT {})", found.observed, found.expected)).style(Style::Bad)
            }
            None => cell("-"),
        });
        table.row([cell(anomaly)].into_iter().chain(cells));
    }
    table
}

fn failure(error: IsolationError) -> CommandError {
    match error {
        IsolationError::Database(error) => error.into(),
        IsolationError::NotAllowed { .. } => CommandError::failed("privilege", error),
        other => CommandError::failed("isolation", other),
    }
}
