//! The verdict on a subject: its severity, the reason, and advice.

use std::fmt;

use serde::Serialize;

use super::text::counted;
use super::{Measurement, Severity, Subject, Threshold};
use crate::section::{Reason, Section, Unreadable};

/// A subject's severity at one moment, with the figures that decide it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// The subject.
    pub subject: Subject,
    /// The worst severity of the measurements; [`Severity::Unknown`] where all of them are ok and
    /// one section or row could not be judged.
    pub severity: Severity,
    /// A short summary of the findings.
    pub message: String,
    /// Advice for the operator; none where the subject is ok.
    pub advice: Option<String>,
    /// `true` when the subject does not exist on this server, such as an extension that is not
    /// installed. A check of several subjects skips it.
    pub is_absent: bool,
    /// The sections that were judged, in their order; one where [`Subject::sections`] is empty.
    pub sections: Vec<SectionVerdict>,
}

/// The verdict on one section of a subject.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SectionVerdict {
    /// The section's name, such as `limits`; the subject's where the subject has one section.
    pub name: &'static str,
    /// The section's readable name.
    pub title: &'static str,
    /// A short summary of the findings; `not available` where there is no result.
    pub message: String,
    /// Advice for the operator; none where the section is ok.
    pub advice: Option<String>,
    /// The figures.
    pub measurements: Vec<Measurement>,
    /// The reasons why some data could not be judged; the last one counts.
    pub gaps: Vec<Gap>,
    /// `true` when the section's object does not exist on this server.
    pub is_absent: bool,
}

/// A reason why data could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "gap", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Gap {
    /// The query has no result.
    NotAvailable {
        /// The reason.
        reason: Reason,
    },
    /// Rows of the result cannot be read.
    Unreadable(Unreadable),
    /// The server does not track the activity of sessions.
    Untracked {
        /// The number of such sessions.
        sessions: usize,
    },
    /// One of several checks has no verdict.
    Undecided {
        /// The check.
        check: String,
        /// Advice on how to get a verdict.
        advice: String,
    },
}

/// A section's judgement of an available result.
pub(super) struct Judgement {
    pub(super) message: String,
    pub(super) advice: Option<String>,
    pub(super) measurements: Vec<Measurement>,
}

impl Verdict {
    /// Builds the verdict of these sections. [`Monitor::check`](crate::Monitor::check) calls it
    /// with its results; another program can build verdicts to test how it shows them.
    #[must_use]
    pub fn new(subject: Subject, sections: Vec<SectionVerdict>) -> Self {
        let mut verdict = Self {
            subject,
            severity: Severity::Ok,
            message: String::new(),
            advice: None,
            is_absent: !sections.is_empty() && sections.iter().all(|section| section.is_absent),
            sections,
        };
        verdict.message = verdict.composed_message();
        verdict.settle();
        verdict
    }

    /// Returns the figures of all sections.
    pub fn measurements(&self) -> impl Iterator<Item = &Measurement> {
        self.sections
            .iter()
            .flat_map(|section| &section.measurements)
    }

    /// Returns the figure that decides the severity: the first one with the worst severity. Returns
    /// `None` when there are no figures.
    #[must_use]
    pub fn worst(&self) -> Option<&Measurement> {
        self.measurements().reduce(|worst, one| {
            if one.severity() > worst.severity() {
                one
            } else {
                worst
            }
        })
    }

    /// Returns the reason why some data could not be judged; none where all data was judged.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.reason_with(Gap::to_string)
    }

    /// Returns [`Verdict::reason`] with other words for each gap, such as a program's option that
    /// closes it.
    #[must_use]
    pub fn reason_with(&self, words: impl Fn(&Gap) -> String) -> Option<String> {
        let is_named = !self.subject.sections().is_empty();
        let reasons: Vec<String> = self
            .sections
            .iter()
            .filter(|section| !self.passes_over(section))
            .filter_map(|section| {
                let words = words(section.gap()?);
                Some(if is_named {
                    format!("{} n/a: {words}", section.name)
                } else {
                    words
                })
            })
            .collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Returns the same verdict with its first figure judged by the given thresholds.
    #[must_use]
    pub fn with_thresholds(
        mut self,
        warning: Option<Threshold>,
        critical: Option<Threshold>,
    ) -> Self {
        let first = self
            .sections
            .iter_mut()
            .flat_map(|section| &mut section.measurements)
            .next();
        if let Some(first) = first {
            *first = first.with_thresholds(warning, critical);
        }
        self.settle();
        self
    }

    /// Beside existing objects, a missing one is only shown.
    fn passes_over(&self, section: &SectionVerdict) -> bool {
        section.is_absent && !self.is_absent
    }

    fn composed_message(&self) -> String {
        let is_alone = self.subject.sections().is_empty();
        let messages: Vec<&str> = self
            .sections
            .iter()
            // A figure measured beside a gap may be worse than the gap.
            .filter(|section| {
                is_alone || section.gaps.is_empty() || !section.measurements.is_empty()
            })
            .map(|section| section.message.as_str())
            .collect();
        messages.join("; ")
    }

    /// Takes the severity and the advice from the sections.
    fn settle(&mut self) {
        let has_gap = self
            .sections
            .iter()
            .any(|section| !section.gaps.is_empty() && !self.passes_over(section));
        let worst = self.measurements().map(Measurement::severity).max();
        self.severity = worst.unwrap_or_default().unless_unknown(has_gap);
        let advised = self
            .sections
            .iter()
            .filter(|section| section.severity() == self.severity)
            .find_map(|section| section.advice.clone());
        self.advice = advised.filter(|_| self.severity > Severity::Ok);
    }
}

impl SectionVerdict {
    /// Builds the verdict on a section with figures.
    #[must_use]
    pub fn new(
        name: &'static str,
        title: &'static str,
        message: impl Into<String>,
        measurements: Vec<Measurement>,
    ) -> Self {
        Self {
            name,
            title,
            message: message.into(),
            advice: None,
            measurements,
            gaps: Vec::new(),
            is_absent: false,
        }
    }

    /// Builds the verdict on a section that is not available.
    #[must_use]
    pub fn not_available(name: &'static str, title: &'static str, reason: Reason) -> Self {
        let is_absent = reason.cause.is_absence();
        let section = Self::new(name, title, "not available", Vec::new());
        Self {
            is_absent,
            ..section.with_gap(Some(Gap::NotAvailable { reason }))
        }
    }

    /// Builds the verdict on a result, or on the reason for its absence.
    pub(super) fn of<T>(
        name: &'static str,
        title: &'static str,
        section: &Section<T>,
        judge: impl FnOnce(&T) -> Judgement,
    ) -> Self {
        match section {
            Section::Available { value, .. } => {
                let judgement = judge(value);
                let unreadable = section.unreadable().cloned().map(Gap::Unreadable);
                let measured = Self::new(name, title, judgement.message, judgement.measurements);
                Self {
                    advice: judgement.advice,
                    ..measured.with_gap(unreadable)
                }
            }
            Section::NotAvailable { reason } => Self::not_available(name, title, reason.clone()),
        }
    }

    /// Builds the verdict on the only section of a subject.
    pub(super) fn only<T>(
        subject: Subject,
        section: &Section<T>,
        judge: impl FnOnce(&T) -> Judgement,
    ) -> Self {
        Self::of(subject.name(), subject.title(), section, judge)
    }

    /// Returns the same verdict with a gap, where there is one.
    #[must_use]
    pub fn with_gap(mut self, gap: Option<Gap>) -> Self {
        self.gaps.extend(gap);
        self
    }

    /// Returns the severity of this section alone.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let worst = self.measurements.iter().map(Measurement::severity).max();
        worst
            .unwrap_or_default()
            .unless_unknown(!self.gaps.is_empty())
    }

    /// Returns the gap that counts.
    #[must_use]
    pub fn gap(&self) -> Option<&Gap> {
        self.gaps.last()
    }
}

impl Gap {
    /// Returns the gap of untracked sessions; none where there are none.
    #[must_use]
    pub fn untracked(sessions: usize) -> Option<Self> {
        (sessions > 0).then_some(Self::Untracked { sessions })
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAvailable { reason } => reason.fmt(formatter),
            Self::Unreadable(unreadable) => write!(
                formatter,
                "{} left out that cannot be read: {}",
                counted(unreadable.rows, "row is", "rows are"),
                unreadable.reason
            ),
            Self::Untracked { sessions } => write!(
                formatter,
                "the activity of {} is unknown: track_activities is off",
                counted(*sessions, "session", "sessions")
            ),
            Self::Undecided { check, advice } => write!(formatter, "{check}: {advice}"),
        }
    }
}

/// Returns the worst severity of several subjects. It skips subjects that do not exist on the
/// server.
#[must_use]
pub fn severity(verdicts: &[Verdict]) -> Severity {
    worst(verdicts).map_or(Severity::Ok, |verdict| verdict.severity)
}

/// Returns the worst of several verdicts, the first of equally bad ones. It skips subjects that do
/// not exist on the server.
#[must_use]
pub fn worst(verdicts: &[Verdict]) -> Option<&Verdict> {
    verdicts
        .iter()
        .filter(|verdict| !verdict.is_absent)
        .reduce(|worst, one| {
            if one.severity > worst.severity {
                one
            } else {
                worst
            }
        })
}
