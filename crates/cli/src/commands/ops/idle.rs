//! `neobank ops idle`.

use std::time::Duration;

use neobank_ops::connections::IdleConnectionRow;
use neobank_ops::{Monitor, OpsError, Thresholds};

use super::part::{Findings, Part, count, counted, seconds, seconds_from, short};
use crate::nagios::{Measure, Unit};
use crate::output::{Block, Mood, Table, cell, optional};

pub(super) async fn part(monitor: &Monitor, thresholds: &Thresholds) -> Result<Part, OpsError> {
    let at_least = Duration::from_secs(thresholds.connections.idle_seconds);
    let section = monitor.idle_connections(at_least).await?;
    let untracked = section.value().map_or(0, |rows| {
        rows.iter().filter(|row| !row.is_tracked()).count()
    });
    let part = Part::of("idle", "Idle connections", &section, |rows| {
        findings(rows, thresholds)
    });
    Ok(part.without_untracked(untracked))
}

fn findings(rows: &[IdleConnectionRow], thresholds: &Thresholds) -> Findings {
    let idle = rows.iter().filter(|row| row.is_tracked()).count();
    let in_transaction = |row: &&IdleConnectionRow| row.transaction_seconds.is_some();
    let longest = rows
        .iter()
        .filter(in_transaction)
        .filter_map(|row| row.idle_seconds)
        .fold(0.0, f64::max);
    let open = rows.iter().filter(in_transaction).count();
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
                "idle for {limit} s or longer: {idle}, in a transaction: {open}"
            )),
            Block::Table(table),
        ],
        charts: Vec::new(),
        summary: format!(
            "{} for {limit} s or longer, {open} in a transaction",
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
