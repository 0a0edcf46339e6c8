//! The figures of a subject: a metric, and one value of it with its thresholds.

use serde::Serialize;

use super::{Severity, Threshold};

/// A figure that a subject measures. [`Subject::metrics`](super::Subject::metrics) lists those of a
/// subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Metric {
    /// The name within the subject, as in a plugin's performance data, such as `limits_usage`.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: Unit,
    /// The name among all subjects by Prometheus' rules: in base units, without a prefix, such as
    /// `connections_usage_ratio`.
    pub exported_name: &'static str,
    /// A description in one sentence.
    pub description: &'static str,
}

/// The units of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// A number of things.
    Count,
    /// Hundredths.
    Percent,
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// 1024 bytes.
    Kibibytes,
}

/// One value of a metric, with the thresholds that judge it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Measurement {
    /// The metric.
    pub metric: &'static Metric,
    /// The value, in the metric's unit.
    pub value: f64,
    /// The threshold of a warning; none where the metric is only shown.
    pub warning: Option<Threshold>,
    /// The threshold of a critical state.
    pub critical: Option<Threshold>,
}

impl Metric {
    /// Creates a metric.
    #[must_use]
    pub const fn new(
        name: &'static str,
        unit: Unit,
        exported_name: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            name,
            unit,
            exported_name,
            description,
        }
    }

    /// Returns a value of the metric, without thresholds.
    #[must_use]
    pub const fn of(&'static self, value: f64) -> Measurement {
        Measurement {
            metric: self,
            value,
            warning: None,
            critical: None,
        }
    }
}

impl Unit {
    /// Returns the unit's size in base units (a ratio, a second, a byte).
    #[must_use]
    pub const fn in_base_units(self) -> f64 {
        match self {
            Self::Count | Self::Seconds => 1.0,
            Self::Percent => 0.01,
            Self::Milliseconds => 0.001,
            Self::Kibibytes => 1024.0,
        }
    }

    /// Returns the largest value of the unit; none where there is no upper end.
    #[must_use]
    pub const fn max(self) -> Option<f64> {
        match self {
            Self::Percent => Some(100.0),
            _ => None,
        }
    }
}

impl Measurement {
    /// Returns the same value with a threshold of a warning.
    #[must_use]
    pub const fn warning(mut self, threshold: Threshold) -> Self {
        self.warning = Some(threshold);
        self
    }

    /// Returns the same value with a threshold of a critical state.
    #[must_use]
    pub const fn critical(mut self, threshold: Threshold) -> Self {
        self.critical = Some(threshold);
        self
    }

    /// Returns the same value with the given thresholds instead of its own.
    #[must_use]
    pub fn with_thresholds(
        mut self,
        warning: Option<Threshold>,
        critical: Option<Threshold>,
    ) -> Self {
        self.warning = warning.or(self.warning);
        self.critical = critical.or(self.critical);
        self
    }

    /// Returns the severity of the value, which is never [`Severity::Unknown`]. The critical
    /// threshold comes first.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let alerts = |threshold: Option<Threshold>| {
            threshold.is_some_and(|threshold| threshold.alerts(self.value))
        };
        if alerts(self.critical) {
            Severity::Critical
        } else if alerts(self.warning) {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }

    /// Returns the threshold that the value has crossed; none where the severity is
    /// [`Severity::Ok`].
    #[must_use]
    pub fn threshold(&self) -> Option<Threshold> {
        match self.severity() {
            Severity::Critical => self.critical,
            Severity::Warning => self.warning,
            _ => None,
        }
    }

    /// Returns the value in the base units of [`Metric::exported_name`].
    #[must_use]
    #[allow(clippy::float_arithmetic, reason = "a figure, no money")]
    pub fn value_in_base_units(&self) -> f64 {
        self.value * self.metric.unit.in_base_units()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static WAITING: Metric = Metric::new("waiting", Unit::Count, "waiting", "Sessions that wait.");
    static SHARE: Metric = Metric::new("share", Unit::Percent, "share_ratio", "A share.");

    #[test]
    fn the_worse_threshold_wins() {
        let at = |value| {
            WAITING
                .of(value)
                .warning(Threshold::above(5.0))
                .critical(Threshold::above(10.0))
        };
        for (value, severity, threshold) in [
            (5.0, Severity::Ok, None),
            (6.0, Severity::Warning, Some(Threshold::above(5.0))),
            (11.0, Severity::Critical, Some(Threshold::above(10.0))),
        ] {
            assert_eq!(at(value).severity(), severity);
            assert_eq!(at(value).threshold(), threshold);
        }
    }

    #[test]
    fn values_are_exported_in_base_units() {
        for (unit, value, expected) in [
            (Unit::Percent, 99.0, 0.99),
            (Unit::Milliseconds, 1500.0, 1.5),
            (Unit::Kibibytes, 2.0, 2048.0),
            (Unit::Seconds, 2.0, 2.0),
            (Unit::Count, 7.0, 7.0),
        ] {
            let found = value * unit.in_base_units();
            assert!((found - expected).abs() < 1e-9, "{unit:?}: {found}");
        }
    }

    proptest! {
        /// The constructor alone decides whether a value at the bound alerts.
        #[test]
        fn severity_changes_exactly_at_the_bound(bound in 1_u32..1_000_000, step in 1_u32..1000) {
            let (bound, step) = (f64::from(bound), f64::from(step) / 1000.0);
            let from = |value| SHARE.of(value).warning(Threshold::from(bound)).severity();
            let above = |value| SHARE.of(value).warning(Threshold::above(bound)).severity();
            let below = |value| SHARE.of(value).warning(Threshold::below(bound)).severity();
            prop_assert_eq!(from(bound), Severity::Warning);
            prop_assert_eq!(from(bound - step), Severity::Ok);
            prop_assert_eq!(above(bound), Severity::Ok);
            prop_assert_eq!(above(bound + step), Severity::Warning);
            prop_assert_eq!(below(bound), Severity::Ok);
            prop_assert_eq!(below(bound - step), Severity::Warning);
        }
    }
}
