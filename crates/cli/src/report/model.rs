//! What a report holds, before it is a page.

use chrono::{DateTime, Utc};
use neobank_ops::Section;

/// Everything on the page.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) server: String,
    pub(super) made_at: DateTime<Utc>,
    pub(super) parts: Vec<Part>,
}

/// One question and its answer.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The anchor: letters and hyphens.
    pub(super) anchor: &'static str,
    pub(super) title: &'static str,
    /// What is shown, in a sentence.
    pub(super) about: &'static str,
    pub(super) answer: Section<Answer>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) findings: Vec<Finding>,
    pub(super) bars: Vec<Bar>,
    pub(super) headings: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// Rows that the page leaves out.
    pub(super) rows_left_out: usize,
}

/// Something that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    Plain,
    Good,
    Warning,
    Critical,
}

/// A bar of a chart.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: u64,
    pub(super) shown: String,
    pub(super) tone: Tone,
}

/// Rows of a table on the page; the most important are first.
const ROWS_MAX: usize = 50;
/// Bars of a chart.
const BARS_MAX: usize = 10;

impl Answer {
    /// A table, cut to what a page has room for.
    pub(super) fn table(headings: Vec<&'static str>, mut rows: Vec<Vec<String>>) -> Self {
        let rows_left_out = rows.len().saturating_sub(ROWS_MAX);
        rows.truncate(ROWS_MAX);
        Self {
            headings,
            rows,
            rows_left_out,
            ..Self::default()
        }
    }

    /// The same with a finding.
    pub(super) fn with(mut self, tone: Tone, text: String) -> Self {
        self.findings.push(Finding { tone, text });
        self
    }

    /// The same with a finding, if it is so.
    pub(super) fn with_if(self, is_so: bool, tone: Tone, text: String) -> Self {
        if is_so { self.with(tone, text) } else { self }
    }

    /// The same with a chart; the longest bars come first and fill the width.
    pub(super) fn with_bars(mut self, bars: impl IntoIterator<Item = Bar>) -> Self {
        self.bars = bars.into_iter().take(BARS_MAX).collect();
        self
    }
}

impl Tone {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// From two limits on a number.
    pub(super) fn of<T: PartialOrd>(value: T, warning: T, critical: T) -> Self {
        if value >= critical {
            Self::Critical
        } else if value >= warning {
            Self::Warning
        } else {
            Self::Good
        }
    }
}

impl Report {
    /// What needs attention, the worst first, each with its part.
    pub(super) fn verdicts(&self) -> Vec<(&Part, &Finding)> {
        let mut verdicts: Vec<_> = self
            .parts
            .iter()
            .filter_map(|part| Some((part, part.answer.value()?)))
            .flat_map(|(part, answer)| answer.findings.iter().map(move |finding| (part, finding)))
            .filter(|(_, finding)| finding.tone >= Tone::Warning)
            .collect();
        verdicts.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.tone));
        verdicts
    }
}
