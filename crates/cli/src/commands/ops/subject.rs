//! One subject of monitoring, with everything that can be shown of it.

use neobank_ops::checks::{Findings, Gap, Subject, Verdict};
use neobank_ops::{Cause, Section, Thresholds};
use serde::Serialize;
use serde_json::Value;

use super::{bloat, cache, connections, deadlocks, health, idle, indexes, locks, sealing};
use super::{statements, transactions, vacuum};
use crate::error::CommandError;
use crate::nagios::Check;
use crate::output::{Block, Output, Style};

/// One subject.
#[derive(Clone, Debug)]
pub(crate) struct SubjectView {
    /// The subject.
    pub(crate) subject: Subject,
    /// The findings, as the ops crate serializes them.
    pub(crate) data: Value,
    /// The findings as text.
    pub(crate) blocks: Vec<Block>,
    /// The charts of the HTML report.
    pub(crate) charts: Vec<Chart>,
    /// The ops crate's verdict.
    pub(crate) verdict: Verdict,
}

/// A group of bars with a common scale.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// The unit after each figure, such as `s` or `%`.
    pub(crate) unit: &'static str,
    /// The end of the scale; none ends it at the longest bar.
    pub(crate) end: Option<f64>,
    pub(crate) bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) style: Style,
}

/// The blocks and charts of a section; none for a section that is n/a.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) blocks: Vec<Block>,
    pub(crate) charts: Vec<Chart>,
}

impl Shown {
    /// Renders a section's result with `show`; returns nothing for a section without one.
    pub(crate) fn of<T>(section: &Section<T>, show: impl FnOnce(&T) -> Self) -> Self {
        section.value().map(show).unwrap_or_default()
    }

    /// Builds an output without a chart.
    pub(crate) fn blocks(blocks: Vec<Block>) -> Self {
        Self {
            blocks,
            charts: Vec::new(),
        }
    }
}

impl Chart {
    /// Builds a chart of these bars; none without any.
    pub(crate) fn of_bars(
        title: impl Into<String>,
        unit: &'static str,
        end: Option<f64>,
        bars: Vec<Bar>,
    ) -> Vec<Self> {
        if bars.is_empty() {
            return Vec::new();
        }
        vec![Self {
            title: title.into(),
            unit,
            end,
            bars,
        }]
    }
}

impl SubjectView {
    /// Builds the view of a subject with its verdict.
    pub(crate) fn new(findings: &Findings, thresholds: &Thresholds) -> Self {
        let verdict = findings.verdict(thresholds);
        let is_named = !verdict.subject.sections().is_empty();
        let (mut blocks, mut charts) = (Vec::new(), Vec::new());
        let shown = shown(findings, &verdict, thresholds);
        for (section, shown) in verdict.sections.iter().zip(shown) {
            if is_named {
                blocks.push(Block::Title(section.title.to_owned()));
            }
            blocks.extend(shown.blocks);
            charts.extend(shown.charts);
            blocks.extend(section.gaps.iter().filter_map(note));
        }
        Self {
            subject: verdict.subject,
            data: serde_json::to_value(findings).unwrap_or_default(),
            blocks,
            charts,
            verdict,
        }
    }

    /// Returns the reason why some data could not be judged, with the options of this program that
    /// help.
    pub(crate) fn unknown(&self) -> Option<String> {
        self.verdict.reason_with(words)
    }

    /// Returns the subject's check.
    pub(crate) fn check(&self) -> Check {
        Check::of(&self.verdict, self.unknown())
    }

    /// Returns the subject as the output of a command.
    pub(crate) fn output(self, name: &'static str) -> Result<Output, CommandError> {
        let check = self.check();
        Ok(Output::new(name, self.data, self.blocks)?
            .failed_if(check.unknown.is_some())
            .with_check(check))
    }
}

/// Renders each section, in the order of the verdict's sections.
fn shown(findings: &Findings, verdict: &Verdict, thresholds: &Thresholds) -> Vec<Shown> {
    match findings {
        Findings::Connections(found) => connections::shown(found, verdict),
        Findings::Idle(found) => idle::shown(found, thresholds),
        Findings::Locks(found) => locks::shown(found, verdict),
        Findings::Deadlocks(found) => deadlocks::shown(found, verdict),
        Findings::Health(found) => health::shown(found),
        Findings::Transactions(found) => transactions::shown(found),
        Findings::Statements(found) => statements::shown(found),
        Findings::Cache(found) => cache::shown(found),
        Findings::Bloat(found) => bloat::shown(found, verdict),
        Findings::Indexes(found) => indexes::shown(found),
        Findings::Vacuum(found) => vacuum::shown(found),
        Findings::Sealing(found) => sealing::shown(found),
    }
}

/// Returns the line below a section that has a gap. A check without a verdict is shown in its
/// table.
fn note(gap: &Gap) -> Option<Block> {
    let text = match gap {
        Gap::NotAvailable { .. } => format!("n/a: {}", words(gap)),
        Gap::Undecided { .. } => return None,
        _ => words(gap),
    };
    Some(Block::Note(text))
}

/// Returns a gap in the server's words, with advice where those have none.
fn words(gap: &Gap) -> String {
    let Gap::NotAvailable { reason } = gap else {
        return gap.to_string();
    };
    match reason.cause {
        Cause::LockTimeout => {
            format!(
                "{reason}: another session holds a lock that the query needs; see neobank ops locks"
            )
        }
        Cause::StatementTimeout => {
            format!("{reason}: it took longer than --query-timeout")
        }
        _ => reason.to_string(),
    }
}

/// Returns the message of a section.
pub(crate) fn message<'a>(verdict: &'a Verdict, section: &str) -> &'a str {
    let found = verdict.sections.iter().find(|one| one.name == section);
    found.map_or("", |section| section.message.as_str())
}

/// Returns the style of a figure that the verdict judges; plain for any other.
pub(crate) fn style_of(verdict: &Verdict, metric: &str) -> Style {
    let found = verdict.measurements().find(|one| one.metric.name == metric);
    found.map_or(Style::Plain, |one| one.severity().into())
}

/// Returns a value's name in the contract, with blanks for underscores.
pub(crate) fn word(value: impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|name| name.as_str().map(|name| name.replace('_', " ")))
        .unwrap_or_default()
}

/// Returns the name of a variant that is a tagged object in the contract, with blanks for
/// underscores.
pub(crate) fn word_of(value: impl Serialize, tag: &str) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|object| object.get(tag)?.as_str().map(|name| name.replace('_', " ")))
        .unwrap_or_default()
}

/// Returns a statement in one line, cut to the width of a table; JSON has all of it.
pub(crate) fn short(statement: &str) -> String {
    const LENGTH_MAX: usize = 80;
    let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LENGTH_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
