//! The command `neobank ops locks`.

use neobank_ops::blocking::{BlockingReport, Participant};
use neobank_ops::checks::text::seconds;
use neobank_ops::checks::{LockFindings, Verdict};

use super::subject::{Bar, Chart, Shown, short, style_of, word};
use crate::output::{Block, Cell, Style, Table, cell, optional};

/// The greatest number of waiting sessions in the chart.
const BARS_MAX: usize = 12;

pub(super) fn shown(found: &LockFindings, verdict: &Verdict) -> Vec<Shown> {
    let style = match style_of(verdict, "deadlocks") {
        Style::Good => Style::Plain,
        other => other,
    };
    vec![Shown::of(&found.report, |report| Shown {
        blocks: blocks(report, style),
        charts: charts(report),
    })]
}

fn blocks(report: &BlockingReport, style: Style) -> Vec<Block> {
    let mut blocks = vec![Block::Fields(vec![
        ("waiting sessions", cell(report.lock_waiters_total)),
        ("longest wait", cell(seconds(report.longest_wait_seconds()))),
        ("roots", cell(report.roots.len())),
        ("cycles", cell(report.cycles.len()).style(style)),
    ])];
    if report.edges.is_empty() {
        blocks.push(Block::Note("no session waits for a lock".to_owned()));
    } else {
        blocks.push(Block::Table(roots(report)));
        blocks.extend(cycles(report));
        blocks.push(Block::Table(waits(report)));
    }
    blocks
}

fn roots(report: &BlockingReport) -> Table {
    let mut table = Table::new(
        &[
            "Root blocker",
            ">Waiters",
            ">Longest wait",
            "User",
            "Application",
            "State",
            "Statement",
            "What to do",
        ],
        "there is no root: the waiting sessions wait for each other",
    );
    for root in &report.roots {
        let Some(one) = report.participant(&root.who) else {
            continue;
        };
        table.row([
            cell(&root.who).style(Style::Bad),
            cell(root.waiters_in_all),
            optional(root.longest_wait_seconds.map(seconds)),
            optional(one.username.as_ref()),
            optional(one.application_name.as_ref()),
            optional(one.state.as_ref()),
            statement(one),
            cell(&one.remedy),
        ]);
    }
    table
}

fn cycles(report: &BlockingReport) -> Vec<Block> {
    report
        .cycles
        .iter()
        .map(|cycle| {
            let members: Vec<_> = cycle.members.iter().map(ToString::to_string).collect();
            let what = if cycle.is_certain {
                "deadlock"
            } else {
                "cycle in the queue"
            };
            Block::Note(format!(
                "{what} of {}: {}",
                members.join(" and "),
                cycle.remedy
            ))
        })
        .collect()
}

/// Returns a table of the waiting sessions. Sessions behind the same root blocker are adjacent, the
/// nearest first; sessions that only a cycle blocks come last.
fn waits(report: &BlockingReport) -> Table {
    let mut table = Table::new(
        &[
            "Waiter",
            ">Waits",
            "For",
            "Kind",
            "Lock",
            "Wanted",
            "User",
            "Application",
            "Statement",
        ],
        "no session waits",
    );
    let mut edges: Vec<_> = report.edges.iter().collect();
    edges.sort_by_key(|edge| {
        let wait = report
            .participant(&edge.waiter)
            .and_then(|one| one.wait.as_ref());
        let root = wait.and_then(|wait| {
            let first = wait.roots.first()?;
            report.roots.iter().position(|root| root.who == *first)
        });
        (
            root.unwrap_or(usize::MAX),
            wait.map_or(usize::MAX, |wait| wait.depth),
            edge.blocker.clone(),
            edge.waiter.clone(),
        )
    });
    for edge in edges {
        let Some(one) = report.participant(&edge.waiter) else {
            continue;
        };
        let wait = one.wait.as_ref();
        table.row([
            cell(&edge.waiter),
            optional(wait.and_then(|wait| wait.seconds).map(seconds)),
            cell(&edge.blocker),
            cell(word(edge.kind)),
            optional(wait.and_then(|wait| wait.lock.as_ref())),
            optional(edge.wanted_mode.as_ref()),
            optional(one.username.as_ref()),
            optional(one.application_name.as_ref()),
            statement(one),
        ]);
    }
    table
}

fn charts(report: &BlockingReport) -> Vec<Chart> {
    let mut waiting: Vec<_> = report
        .participants
        .iter()
        .filter_map(|one| Some((one, one.wait.as_ref()?.seconds?)))
        .collect();
    waiting.sort_by(|one, other| other.1.total_cmp(&one.1));
    let bars: Vec<_> = waiting
        .into_iter()
        .take(BARS_MAX)
        .map(|(one, seconds)| Bar {
            label: match &one.application_name {
                Some(name) => format!("{} {name}", one.who),
                None => one.who.to_string(),
            },
            value: seconds,
            style: Style::Warning,
        })
        .collect();
    Chart::of_bars("Waits of sessions", "s", None, bars)
}

fn statement(one: &Participant) -> Cell {
    optional(one.query.as_deref().map(short))
}
