//! Answers for Nagios, Icinga and whatever else speaks their plugin protocol: one line, performance data, an exit code.
//!
//! After the Monitoring Plugins Development Guidelines, <https://www.monitoring-plugins.org/doc/guidelines.html>.

mod line;
mod measure;
mod range;

pub(crate) use line::{Check, unknown};
pub(crate) use measure::{Measure, Unit};
pub(crate) use range::Range;

use std::process::ExitCode;

/// A plugin's exit code and the word in front of its line, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// 0.
    Ok,
    /// 1.
    Warning,
    /// 2.
    Critical,
    /// 3: nothing could be found out.
    Unknown,
}

impl Severity {
    /// The word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl From<Severity> for ExitCode {
    fn from(severity: Severity) -> Self {
        Self::from(match severity {
            Severity::Ok => 0,
            Severity::Warning => 1,
            Severity::Critical => 2,
            Severity::Unknown => 3,
        })
    }
}
