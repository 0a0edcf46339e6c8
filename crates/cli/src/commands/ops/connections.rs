//! The command `neobank ops connections`.

use neobank_ops::checks::text::{count, counted, seconds};
use neobank_ops::checks::{ConnectionFindings, Gap, Severity, Verdict};
use neobank_ops::connections::{ConnectionLimitsRow, ConnectionRow};

use super::subject::{Bar, Chart, Shown, style_of};
use crate::output::{Block, Style, Table, cell, optional};

/// The greatest number of bars.
const BARS_MAX: usize = 12;

pub(super) fn shown(found: &ConnectionFindings, verdict: &Verdict) -> Vec<Shown> {
    let style = style_of(verdict, "limits_usage");
    vec![
        Shown::of(&found.limits, |limits| room(limits, style)),
        Shown::of(&found.analysis, |rows| connected(rows)),
    ]
}

fn connected(rows: &[ConnectionRow]) -> Shown {
    let mut table = Table::new(
        &[
            "User",
            "Database",
            "Application",
            "Client",
            ">All",
            ">Active",
            ">Idle",
            ">In transaction",
            ">Aborted",
            ">Wait for a lock",
            ">Oldest transaction",
        ],
        "no client is connected",
    );
    let judged = |number: i64, severity: Severity| cell(number).style(Style::attention(severity));
    for row in rows {
        table.row([
            optional(row.username.as_ref()),
            optional(row.database.as_ref()),
            optional(row.application_name.as_ref()),
            optional(row.client_address.as_ref()),
            cell(row.total_connections),
            cell(row.active),
            cell(row.idle),
            cell(row.idle_in_transaction),
            judged(row.aborted, row.severity_of_aborted()),
            judged(row.waiting_for_lock, row.severity_of_lock_waits()),
            optional(row.oldest_transaction_seconds.map(seconds)),
        ]);
    }
    let total = |of: fn(&ConnectionRow) -> i64| rows.iter().map(of).fold(0, i64::saturating_add);
    let mut blocks = vec![Block::Table(table)];
    let (hidden, untracked) = (total(|row| row.hidden), total(|row| row.untracked));
    if hidden > 0 {
        blocks.push(Block::Note(format!(
            "{} from this role, and in none of these states: use a role with the privileges of pg_monitor",
            counted(hidden, "connection is hidden", "connections are hidden")
        )));
    }
    let untracked = Gap::untracked(usize::try_from(untracked).unwrap_or_default());
    blocks.extend(untracked.map(|gap| Block::Note(gap.to_string())));
    let bars = rows.iter().take(BARS_MAX).map(|row| Bar {
        label: row
            .application_name
            .clone()
            .filter(|name| !name.is_empty())
            .or_else(|| row.username.clone())
            .unwrap_or_else(|| "(unknown)".to_owned()),
        value: count(row.total_connections),
        style: Style::Plain,
    });
    Shown {
        blocks,
        charts: Chart::of_bars("Connections by application", "", None, bars.collect()),
    }
}

fn room(limits: &ConnectionLimitsRow, style: Style) -> Shown {
    let blocks = vec![Block::Fields(vec![
        ("max_connections", cell(limits.max_connections)),
        ("reserved", cell(limits.reserved_connections)),
        ("usable", cell(limits.usable_connections)),
        ("used", cell(limits.used_connections)),
        (
            "tightest limit",
            cell(format!(
                "{} of {} that {}",
                limits.tightest_used,
                limits.tightest_usable,
                limits.tightest()
            )),
        ),
        (
            "usage",
            cell(format!("{} %", limits.usage_percent())).style(style),
        ),
    ])];
    let bar = Bar {
        label: format!("used, of {} usable", limits.usable_connections),
        value: count(limits.used_connections),
        style,
    };
    let end = Some(count(limits.usable_connections));
    Shown {
        blocks,
        charts: Chart::of_bars("Connections", "", end, vec![bar]),
    }
}
