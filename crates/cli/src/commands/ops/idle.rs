//! `neobank ops idle`.

use std::time::Duration;

use neobank_ops::connections::{IdleConnectionRow, IdleTotalsRow};
use neobank_ops::{Monitor, OpsError, Section, Thresholds};

use super::part::{Findings, Part, count, counted, seconds, seconds_from, short};
use crate::nagios::{Measure, Unit};
use crate::output::{Block, Mood, Table, cell, optional};

pub(super) async fn part(monitor: &Monitor, thresholds: &Thresholds) -> Result<Part, OpsError> {
    let at_least = Duration::from_secs(thresholds.connections.idle_seconds);
    // The figures are of all sessions; only the table leaves out those that are idle for a short time.
    let totals = match monitor.idle_totals(at_least).await? {
        Section::Available { value, .. } => value,
        missing @ Section::NotAvailable { .. } => {
            return Ok(Part::of("idle", "Idle connections", &missing, |totals| {
                findings(&[], totals, thresholds)
            }));
        }
    };
    let section = monitor.idle_connections(at_least).await?;
    let untracked = usize::try_from(totals.untracked).unwrap_or_default();
    let part = Part::of("idle", "Idle connections", &section, |rows| {
        findings(rows, &totals, thresholds)
    });
    Ok(part.without_untracked(untracked))
}

fn findings(
    rows: &[IdleConnectionRow],
    totals: &IdleTotalsRow,
    thresholds: &Thresholds,
) -> Findings {
    let (idle, open) = (totals.idle, totals.in_transaction);
    let in_transaction = |row: &&IdleConnectionRow| row.transaction_seconds.is_some();
    let longest = totals.longest_in_transaction_seconds.unwrap_or_default();
    let mut table = Table::new(
        &[
            "Process",
            "User",
            "Database",
            "Application",
            "Client",
            "State",
            ">Idle",
            ">Transaction",
            "Last statement",
        ],
        "no connection has been idle for that long",
    );
    for row in rows {
        let mood = if in_transaction(&row) || !row.is_tracked() {
            Mood::Warning
        } else {
            Mood::Plain
        };
        table.row([
            cell(row.process_id),
            optional(row.username.as_ref()),
            optional(row.database.as_ref()),
            optional(row.application_name.as_ref()),
            optional(row.client_address.as_ref()),
            cell(&row.state).mood(mood),
            optional(row.idle_seconds.map(seconds)),
            optional(row.transaction_seconds.map(seconds)),
            optional(row.query.as_deref().map(short)),
        ]);
    }
    let limit = thresholds.connections.idle_seconds;
    Findings {
        blocks: vec![
            Block::Note(format!(
                "idle for {limit} s or longer: {idle}; in a transaction, for any time: {open}"
            )),
            Block::Table(table),
        ],
        charts: Vec::new(),
        summary: format!(
            "{} for {limit} s or longer, {open} in a transaction for any time",
            counted(
                idle,
                "connection has been idle",
                "connections have been idle"
            )
        ),
        measures: vec![
            Measure::new("longest_in_transaction", longest, Unit::Seconds).limits(
                seconds_from(thresholds.transactions.idle_warning_seconds),
                seconds_from(thresholds.transactions.idle_critical_seconds),
            ),
            Measure::new("idle", count(idle), Unit::Count),
            Measure::new("in_transaction", count(open), Unit::Count),
        ],
    }
}
