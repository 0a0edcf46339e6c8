//! The plugin's output.

use neobank_ops::checks::{Severity, Threshold, Verdict};

use super::Measure;
use crate::error::CommandError;
use crate::output::{printable, redact};

/// The contents of a plugin's line.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// The service's name, at the beginning of the line.
    pub(crate) service: &'static str,
    /// A short summary of the findings.
    pub(crate) summary: String,
    /// The figures; `--warning` and `--critical` apply to the first.
    pub(crate) measures: Vec<Measure>,
    /// The reason for an unknown state, when some data could not be judged.
    pub(crate) unknown: Option<String>,
}

impl Check {
    /// Builds a check of these figures.
    pub(crate) fn new(
        service: &'static str,
        summary: impl Into<String>,
        measures: Vec<Measure>,
    ) -> Self {
        Self {
            service,
            summary: summary.into(),
            measures,
            unknown: None,
        }
    }

    /// Builds the check of a verdict, with the text for data that could not be judged.
    pub(crate) fn of(verdict: &Verdict, unknown: Option<String>) -> Self {
        let measures = verdict.measurements().copied().map(Measure::from).collect();
        Self {
            unknown,
            ..Self::new(verdict.subject.name(), verdict.message.as_str(), measures)
        }
    }

    /// Returns the same check with the first figure's thresholds from the command line, where they
    /// are given.
    pub(crate) fn with_thresholds(
        mut self,
        warning: Option<Threshold>,
        critical: Option<Threshold>,
    ) -> Self {
        if let Some(first) = self.measures.first_mut() {
            first.measurement = first.measurement.with_thresholds(warning, critical);
        }
        self
    }

    /// Returns the worst severity of its figures. A warning and a critical state stay, even when
    /// some data is unknown.
    pub(crate) fn severity(&self) -> Severity {
        let severities = self.measures.iter().map(|one| one.measurement.severity());
        let worst = severities.max().unwrap_or_default();
        worst.unless_unknown(self.unknown.is_some())
    }

    /// Returns `NEOBANK SERVICE OK - summary | performance data`.
    pub(crate) fn line(&self) -> String {
        let mut summary = self.summary.clone();
        if let Some(reason) = &self.unknown {
            let separator = if summary.is_empty() { "" } else { " - " };
            summary.push_str(separator);
            summary.push_str(reason);
        }
        let mut line = start(self.service, self.severity(), &summary);
        if !self.measures.is_empty() {
            line.push_str(" | ");
            let data: Vec<_> = self
                .measures
                .iter()
                .map(Measure::performance_data)
                .collect();
            line.push_str(&data.join(" "));
        }
        line.push('\n');
        line
    }
}

/// Returns the line of a check that failed before it began.
pub(crate) fn unknown(service: &str, error: &CommandError) -> String {
    let mut line = start(service, Severity::Unknown, &redact(&error.message));
    line.push('\n');
    line
}

/// A bar begins the performance data, so it is replaced in the summary.
fn start(service: &str, severity: Severity, summary: &str) -> String {
    format!(
        "NEOBANK {} {} - {}",
        service.to_uppercase(),
        severity.word(),
        printable(summary).replace('|', "/")
    )
}

#[cfg(test)]
mod tests {
    use neobank_ops::checks::{Metric, SectionVerdict, Subject, Unit};
    use neobank_ops::{Cause, Section};

    use super::*;

    static WAITING: Metric = Metric::new("waiting", Unit::Count, "waiting", "Sessions that wait.");

    fn check(value: f64) -> Check {
        let measurement = WAITING
            .of(value)
            .warning(Threshold::above(1.0))
            .critical(Threshold::above(5.0));
        let summary = "sessions wait | for\nlocks";
        Check::new("locks", summary, vec![measurement.into()])
    }

    #[test]
    fn summary_with_bars_and_line_breaks_is_one_line() {
        assert_eq!(
            check(3.0).line(),
            "NEOBANK LOCKS WARNING - sessions wait / for\\nlocks | waiting=3;1;5;0\n"
        );
    }

    #[test]
    fn command_line_thresholds_take_precedence() {
        let strict = check(3.0).with_thresholds(None, Some(Threshold::above(2.0)));
        assert_eq!(strict.severity(), Severity::Critical);
        assert!(strict.line().contains("waiting=3;1;2;0"));
    }

    #[test]
    fn check_with_a_gap_is_at_least_unknown() {
        let mut partly = check(0.0);
        partly.unknown = Some("permission denied".to_owned());
        assert_eq!(partly.severity(), Severity::Unknown);
        partly.measures[0].measurement.value = 9.0;
        assert_eq!(partly.severity(), Severity::Critical);
        let section = Section::<u8>::not_available(Cause::InsufficientPrivilege, "no privilege");
        let reason = section.reason().unwrap().clone();
        let section = SectionVerdict::not_available("cache", "Buffer cache", reason);
        let verdict = Verdict::new(Subject::Cache, vec![section]);
        assert_eq!(
            Check::of(&verdict, verdict.reason()).line(),
            "NEOBANK CACHE UNKNOWN - not available - no privilege\n"
        );
    }
}
