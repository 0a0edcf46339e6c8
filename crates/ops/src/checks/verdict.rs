//! What is said about a subject: how bad it is, why, and what to do.

use std::fmt;

use serde::Serialize;

use super::text::counted;
use super::{Measurement, Severity, Subject, Threshold};
use crate::section::{Reason, Section, Unreadable};

/// A subject's severity at one moment, with the figures that decide it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// What it is about.
    pub subject: Subject,
    /// The worst severity of the measurements; [`Severity::Unknown`] where all of them are well and
    /// a part could not be judged.
    pub severity: Severity,
    /// What was found, in a few words.
    pub message: String,
    /// What to do; none where the subject is as it should be.
    pub advice: Option<String>,
    /// True when nothing of the subject exists on this server, such as an extension that is not
    /// installed. A check of several subjects passes over it.
    pub is_absent: bool,
    /// The sections that were judged, in their order; one where [`Subject::sections`] is empty.
    pub sections: Vec<SectionVerdict>,
}

/// The verdict on one section of a subject.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SectionVerdict {
    /// Its name, such as `limits`; the subject's where the subject has one section.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What was found, in a few words; `not available` where nothing was.
    pub message: String,
    /// What to do; none where the section is as it should be.
    pub advice: Option<String>,
    /// The figures.
    pub measurements: Vec<Measurement>,
    /// Why the section, or a part of it, could not be judged; the last one counts.
    pub gaps: Vec<Gap>,
    /// True when what the section is about does not exist on this server.
    pub is_absent: bool,
}

/// A reason why something could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "gap", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Gap {
    /// The query has no result.
    NotAvailable {
        /// Why.
        reason: Reason,
    },
    /// Rows of the result cannot be read.
    Unreadable(Unreadable),
    /// Sessions are not tracked by the server.
    Untracked {
        /// How many.
        sessions: usize,
    },
    /// One of several checks has no verdict.
    Undecided {
        /// The check.
        check: String,
        /// What would help.
        advice: String,
    },
}

/// What a section says about a result that is there.
pub(super) struct Judgement {
    pub(super) message: String,
    pub(super) advice: Option<String>,
    pub(super) measurements: Vec<Measurement>,
}

impl Verdict {
    /// The verdict of these sections. [`Monitor::check`](crate::Monitor::check) makes one of what
    /// it has read; another program makes its own to test how it shows verdicts.
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

    /// The figures of all sections.
    pub fn measurements(&self) -> impl Iterator<Item = &Measurement> {
        self.sections
            .iter()
            .flat_map(|section| &section.measurements)
    }

    /// The figure that decides the severity, the first of several that are as bad; the first of all
    /// where every one is well, and none where nothing was measured.
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

    /// Why the subject, or a part of it, could not be judged; none where it could.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.reason_with(Gap::to_string)
    }

    /// As [`Verdict::reason`], with other words for each gap, such as the option of a program that
    /// would close it.
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

    /// The same verdict, its first figure judged by these thresholds where they are given.
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

    /// Beside what is there, what does not exist is only shown.
    fn passes_over(&self, section: &SectionVerdict) -> bool {
        section.is_absent && !self.is_absent
    }

    fn composed_message(&self) -> String {
        let is_alone = self.subject.sections().is_empty();
        let messages: Vec<&str> = self
            .sections
            .iter()
            // What was measured beside a gap may be worse than the gap.
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
    /// The verdict on a section that was measured.
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

    /// The verdict on a section that is n/a.
    #[must_use]
    pub fn not_available(name: &'static str, title: &'static str, reason: Reason) -> Self {
        let is_absent = reason.cause.is_absence();
        let section = Self::new(name, title, "not available", Vec::new());
        Self {
            is_absent,
            ..section.with_gap(Some(Gap::NotAvailable { reason }))
        }
    }

    /// The verdict on a result, or why there is none.
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

    /// The verdict on the only section of a subject.
    pub(super) fn only<T>(
        subject: Subject,
        section: &Section<T>,
        judge: impl FnOnce(&T) -> Judgement,
    ) -> Self {
        Self::of(subject.name(), subject.title(), section, judge)
    }

    /// The same verdict with a gap, where there is one.
    #[must_use]
    pub fn with_gap(mut self, gap: Option<Gap>) -> Self {
        self.gaps.extend(gap);
        self
    }

    /// The severity of this section alone.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let worst = self.measurements.iter().map(Measurement::severity).max();
        worst
            .unwrap_or_default()
            .unless_unknown(!self.gaps.is_empty())
    }

    /// The gap that counts.
    #[must_use]
    pub fn gap(&self) -> Option<&Gap> {
        self.gaps.last()
    }
}

impl Gap {
    /// The gap of sessions that are not tracked; none where there are none.
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
                "nobody knows what {}: track_activities is off",
                counted(*sessions, "session does", "sessions do")
            ),
            Self::Undecided { check, advice } => write!(formatter, "{check}: {advice}"),
        }
    }
}

/// The severity of several subjects: the worst of them. Those that do not exist on the server are
/// passed over.
#[must_use]
pub fn severity(verdicts: &[Verdict]) -> Severity {
    worst(verdicts).map_or(Severity::Ok, |verdict| verdict.severity)
}

/// The worst of several verdicts, and of equal ones the first. Subjects that do not exist on the
/// server are passed over.
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
