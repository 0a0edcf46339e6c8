//! One subject of monitoring, with all that can be shown of it.

use std::fmt::Display;
use std::time::Duration;

use neobank_ops::{Cause, Reason, Section};
use serde::Serialize;
use serde_json::Value;

use crate::error::CommandError;
use crate::nagios::{Check, Measure, Range};
use crate::output::{Answer, Block, Mood};

/// One subject.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its name in the contract and in metrics.
    pub(crate) name: &'static str,
    /// Its name for people.
    pub(crate) title: &'static str,
    /// The section as the ops crate serializes it.
    pub(crate) data: Value,
    /// The same for people.
    pub(crate) blocks: Vec<Block>,
    /// For the HTML report.
    pub(crate) charts: Vec<Chart>,
    /// The figures that are judged.
    pub(crate) check: Check,
    /// What it is about is not there at all, so that nothing can be wrong with it: a check of several subjects passes over
    /// it.
    pub(crate) is_absent: bool,
}

/// Bars beside each other that share a scale.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// Behind each figure, such as `s` or `%`.
    pub(crate) unit: &'static str,
    /// Where the scale ends; at the longest bar when there is none.
    pub(crate) end: Option<f64>,
    pub(crate) bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) mood: Mood,
}

/// What a subject found.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) blocks: Vec<Block>,
    pub(crate) charts: Vec<Chart>,
    pub(crate) summary: String,
    pub(crate) measures: Vec<Measure>,
}

impl Part {
    /// A subject's part: what was found, or why nothing could be.
    pub(crate) fn of<T: Serialize>(
        name: &'static str,
        title: &'static str,
        section: &Section<T>,
        findings: impl FnOnce(&T) -> Findings,
    ) -> Self {
        let data = serde_json::to_value(section).unwrap_or_default();
        match section {
            Section::Available { value, .. } => {
                let found = findings(value);
                let unread = section.unreadable().map(|unreadable| {
                    format!(
                        "{} left out that cannot be read: {}",
                        counted(unreadable.rows, "row is", "rows are"),
                        unreadable.reason
                    )
                });
                let mut blocks = found.blocks;
                blocks.extend(unread.clone().map(Block::Note));
                let mut check = Check::new(name, found.summary, found.measures);
                check.unknown = unread;
                Self {
                    name,
                    title,
                    data,
                    blocks,
                    charts: found.charts,
                    check,
                    is_absent: false,
                }
            }
            Section::NotAvailable { reason } => Self {
                name,
                title,
                data,
                blocks: vec![Block::Note(format!("n/a: {}", why(reason)))],
                charts: Vec::new(),
                check: Check::not_available(name, why(reason)),
                is_absent: reason.cause.is_absence(),
            },
        }
    }

    /// Several questions of one subject: each keeps its own title, its data under its name, and its figures.
    pub(crate) fn join(name: &'static str, title: &'static str, parts: Vec<Self>) -> Self {
        let mut joined = Self {
            name,
            title,
            data: Value::Null,
            blocks: Vec::new(),
            charts: Vec::new(),
            check: Check::new(name, "", Vec::new()),
            is_absent: !parts.is_empty() && parts.iter().all(|part| part.is_absent),
        };
        let is_absent = joined.is_absent;
        let mut data = serde_json::Map::new();
        let (mut summaries, mut unknown) = (Vec::new(), Vec::new());
        for part in parts {
            let is_judged = !part.check.measures.is_empty();
            joined.blocks.push(Block::Title(part.title.to_owned()));
            joined.blocks.extend(part.blocks);
            joined.charts.extend(part.charts);
            let prefixed = part.check.measures.into_iter().map(|mut measure| {
                measure.label = format!("{}_{}", part.name, measure.label);
                measure
            });
            joined.check.measures.extend(prefixed);
            match part.check.unknown {
                // Beside what is there, what is not is only said.
                Some(_) if part.is_absent && !is_absent => {}
                Some(reason) => {
                    unknown.push(format!("{} n/a: {reason}", part.name));
                    // What was found beside it may be worse.
                    if is_judged {
                        summaries.push(part.check.summary);
                    }
                }
                None => summaries.push(part.check.summary),
            }
            data.insert(part.name.to_owned(), part.data);
        }
        joined.check.summary = summaries.join("; ");
        joined.check.unknown = (!unknown.is_empty()).then(|| unknown.join("; "));
        joined.data = Value::Object(data);
        joined
    }

    /// The same part, unknown where it would be well, because these sessions do not tell what they do.
    #[must_use]
    pub(crate) fn without_untracked(mut self, sessions: usize) -> Self {
        if sessions > 0 {
            let reason = untracked(sessions);
            self.blocks.push(Block::Note(reason.clone()));
            self.check.unknown = Some(reason);
        }
        self
    }

    /// Whether there is an answer.
    pub(crate) const fn is_available(&self) -> bool {
        self.check.unknown.is_none()
    }

    /// The part as the answer of a command.
    pub(crate) fn answer(self, name: &'static str) -> Result<Answer, CommandError> {
        let available = self.is_available();
        Ok(Answer::new(name, self.data, self.blocks)?
            .failed_if(!available)
            .with_check(self.check))
    }
}

/// A reason in the server's words, and what to do where those do not say.
fn why(reason: &Reason) -> String {
    match reason.cause {
        Cause::LockTimeout => {
            format!("{reason}: somebody has locked what is asked for; see neobank ops locks")
        }
        Cause::StatementTimeout => {
            format!("{reason}: it took longer than --question-timeout")
        }
        _ => reason.to_string(),
    }
}

/// As people read sizes, rounded down.
pub(crate) fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut rest = bytes;
    let mut unit = 0;
    while rest.abs() >= 10_240 && unit + 1 < UNITS.len() {
        rest /= 1024;
        unit += 1;
    }
    format!("{rest} {}", UNITS.get(unit).copied().unwrap_or_default())
}

/// That nobody knows what these sessions do.
pub(crate) fn untracked(sessions: usize) -> String {
    format!(
        "nobody knows what {}: track_activities is off",
        counted(sessions, "session does", "sessions do")
    )
}

/// A number with the words behind it: those for one, or those for any other number.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(
    number: N,
    one: &str,
    many: &str,
) -> String {
    let words = if number == N::from(1) { one } else { many };
    format!("{number} {words}")
}

/// A number of things as a measure has it; what is beyond four billion is four billion.
pub(crate) fn count(number: impl TryInto<u32>) -> f64 {
    f64::from(number.try_into().unwrap_or(u32::MAX))
}

/// Seconds for people.
pub(crate) fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

/// Alerts from this many seconds on.
pub(crate) fn seconds_from(limit: u64) -> Option<Range> {
    Some(Range::from(Duration::from_secs(limit).as_secs_f64()))
}

/// The name in the contract, for people.
pub(crate) fn word(value: impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|name| name.as_str().map(|name| name.replace('_', " ")))
        .unwrap_or_default()
}

/// The name of a variant that is a tagged object in the contract, for people.
pub(crate) fn word_of(value: impl Serialize, tag: &str) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|object| object.get(tag)?.as_str().map(|name| name.replace('_', " ")))
        .unwrap_or_default()
}

/// A statement in one line, cut where a table would get too wide; JSON has the whole of it.
pub(crate) fn short(statement: &str) -> String {
    const LENGTH_MAX: usize = 80;
    let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LENGTH_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
