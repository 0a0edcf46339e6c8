//! One figure with its limits.

use super::{Range, Severity};

/// A figure that decides how bad it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measure {
    /// Its name.
    pub(crate) label: String,
    /// How much.
    pub(crate) value: f64,
    /// Of what.
    pub(crate) unit: Unit,
    /// When to warn.
    pub(crate) warning: Option<Range>,
    /// When it is critical.
    pub(crate) critical: Option<Range>,
    /// The least that it can be.
    pub(crate) min: Option<f64>,
    /// The most that it can be.
    pub(crate) max: Option<f64>,
}

/// The units of the guidelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things.
    Count,
    /// Hundredths.
    Percent,
    /// Seconds.
    Seconds,
}

impl Measure {
    /// A figure from zero on, without limits.
    pub(crate) fn new(label: &str, value: f64, unit: Unit) -> Self {
        Self {
            label: label.to_owned(),
            value,
            unit,
            warning: None,
            critical: None,
            min: Some(0.0),
            max: (unit == Unit::Percent).then_some(100.0),
        }
    }

    /// The same figure with limits.
    pub(crate) const fn limits(mut self, warning: Option<Range>, critical: Option<Range>) -> Self {
        self.warning = warning;
        self.critical = critical;
        self
    }

    /// How bad it is.
    pub(crate) fn severity(&self) -> Severity {
        let alerts = |range: Option<Range>| range.is_some_and(|range| range.alerts(self.value));
        if alerts(self.critical) {
            Severity::Critical
        } else if alerts(self.warning) {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }

    /// `'label'=value[unit];[warning];[critical];[min];[max]`.
    pub(crate) fn performance_data(&self) -> String {
        let range = |range: Option<Range>| range.map(|r| r.to_string()).unwrap_or_default();
        let number = |number: Option<f64>| number.map(|n| n.to_string()).unwrap_or_default();
        // U: the guidelines' word for a value that could not be found out.
        let value = if self.value.is_finite() {
            format!("{}{}", rounded(self.value), self.unit.symbol())
        } else {
            "U".to_owned()
        };
        let text = format!(
            "{}={value};{};{};{};{}",
            quoted(&self.label),
            range(self.warning),
            range(self.critical),
            number(self.min),
            number(self.max)
        );
        text.trim_end_matches(';').to_owned()
    }
}

impl Unit {
    const fn symbol(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Percent => "%",
            Self::Seconds => "s",
        }
    }
}

/// To thousandths: a millisecond, or what no graph shows. The limits are held against the whole figure.
#[allow(clippy::float_arithmetic, reason = "a figure, no money")]
fn rounded(value: f64) -> f64 {
    let rounded = (value * 1000.0).round() / 1000.0;
    if rounded.is_finite() { rounded } else { value }
}

/// A label may hold anything but `=`, and a quote only twice.
fn quoted(label: &str) -> String {
    let plain: String = label
        .chars()
        .map(|character| match character {
            '=' | '|' => '_',
            other if other.is_control() => '_',
            other => other,
        })
        .collect();
    if plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !plain.is_empty() {
        plain
    } else {
        format!("'{}'", plain.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn performance_data_as_the_guidelines_write_it() {
        let usage = Measure::new("connection usage", 42.5, Unit::Percent)
            .limits(Some(Range::from(75.0)), Some(Range::from(90.0)));
        assert_eq!(
            usage.performance_data(),
            "'connection usage'=42.5%;@75:;@90:;0;100"
        );
        let hits = Measure::new("hits", 99.973_837_083, Unit::Percent);
        assert_eq!(hits.performance_data(), "hits=99.974%;;;0;100");
        let endless = Measure::new("endless", f64::MAX, Unit::Count);
        assert!(endless.performance_data().starts_with("endless=17976"));
        let waiting = Measure::new("waiting", 3.0, Unit::Count);
        assert_eq!(waiting.performance_data(), "waiting=3;;;0");
        let hostile = Measure::new("a'b=c|d\n", f64::NAN, Unit::Seconds);
        assert_eq!(hostile.performance_data(), "'a''b_c_d_'=U;;;0");
    }

    #[test]
    fn the_worse_limit_wins() {
        let at = |value| {
            Measure::new("x", value, Unit::Count)
                .limits(Some(Range::above(5.0)), Some(Range::above(10.0)))
                .severity()
        };
        assert_eq!(at(5.0), Severity::Ok);
        assert_eq!(at(6.0), Severity::Warning);
        assert_eq!(at(11.0), Severity::Critical);
    }
}
