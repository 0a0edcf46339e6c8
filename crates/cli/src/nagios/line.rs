//! The plugin's output.

use super::{Measure, Range, Severity};
use crate::error::CommandError;
use crate::output::{printable, redact};

/// What a check found.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// Its name, in front of the line.
    pub(crate) service: &'static str,
    /// What was found, in a few words.
    pub(crate) summary: String,
    /// The figures; the first is the one that `--warning` and `--critical` mean.
    pub(crate) measures: Vec<Measure>,
    /// Why it is unknown, when a part could not be found out.
    pub(crate) unknown: Option<String>,
}

impl Check {
    /// A check of these figures.
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

    /// A check that could not be done.
    pub(crate) fn not_available(service: &'static str, reason: impl Into<String>) -> Self {
        Self {
            service,
            summary: "not available".to_owned(),
            measures: Vec::new(),
            unknown: Some(reason.into()),
        }
    }

    /// The same check with the first figure's limits taken from the command line, where they are given.
    pub(crate) fn with_limits(mut self, warning: Option<Range>, critical: Option<Range>) -> Self {
        if let Some(first) = self.measures.first_mut() {
            first.warning = warning.or(first.warning);
            first.critical = critical.or(first.critical);
        }
        self
    }

    /// The worst of its figures. A warning and a critical state are told even when another part is unknown.
    pub(crate) fn severity(&self) -> Severity {
        let worst = self
            .measures
            .iter()
            .map(Measure::severity)
            .max()
            .unwrap_or(Severity::Ok);
        match &self.unknown {
            Some(_) if worst == Severity::Ok => Severity::Unknown,
            _ => worst,
        }
    }

    /// `NEOBANK SERVICE OK - summary | performance data`.
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

/// The line of a check that failed before it began.
pub(crate) fn unknown(service: &str, error: &CommandError) -> String {
    let mut line = start(service, Severity::Unknown, &redact(&error.message));
    line.push('\n');
    line
}

/// A bar begins the performance data, so a summary has none.
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
    use super::super::Unit;
    use super::*;

    fn check(value: f64) -> Check {
        let measure = Measure::new("waiting", value, Unit::Count)
            .limits(Some(Range::above(1.0)), Some(Range::above(5.0)));
        Check::new("locks", "sessions wait | for\nlocks", vec![measure])
    }

    #[test]
    fn one_line_whatever_is_in_it() {
        assert_eq!(
            check(3.0).line(),
            "NEOBANK LOCKS WARNING - sessions wait / for\\nlocks | waiting=3;1;5;0\n"
        );
    }

    #[test]
    fn the_command_line_wins() {
        let strict = check(3.0).with_limits(None, Some(Range::above(2.0)));
        assert_eq!(strict.severity(), Severity::Critical);
        assert!(strict.line().contains("waiting=3;1;2;0"));
    }

    #[test]
    fn what_is_not_known_is_not_well() {
        let mut partly = check(0.0);
        partly.unknown = Some("permission denied".to_owned());
        assert_eq!(partly.severity(), Severity::Unknown);
        partly.measures[0].value = 9.0;
        assert_eq!(partly.severity(), Severity::Critical);
        assert_eq!(
            Check::not_available("bloat", "no privilege").line(),
            "NEOBANK BLOAT UNKNOWN - not available - no privilege\n"
        );
    }
}
