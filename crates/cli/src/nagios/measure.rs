//! One figure as performance data.

use neobank_ops::checks::{Measurement, Threshold, Unit};

/// A measurement with its label in the line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measure {
    /// The metric's name, with the subject's before it where the line covers several subjects.
    pub(crate) label: String,
    /// The value with its thresholds.
    pub(crate) measurement: Measurement,
}

impl From<Measurement> for Measure {
    fn from(measurement: Measurement) -> Self {
        Self {
            label: measurement.metric.name.to_owned(),
            measurement,
        }
    }
}

impl Measure {
    /// Returns `'label'=value[unit];[warning];[critical];[min];[max]`.
    pub(crate) fn performance_data(&self) -> String {
        let measurement = &self.measurement;
        let unit = measurement.metric.unit;
        let range = |range: Option<Threshold>| range.map(|r| r.to_string()).unwrap_or_default();
        let max = unit.max().map(|max| max.to_string()).unwrap_or_default();
        // U is the guidelines' symbol for an unknown value.
        let value = if measurement.value.is_finite() {
            format!("{}{}", rounded(measurement.value), symbol(unit))
        } else {
            "U".to_owned()
        };
        let text = format!(
            "{}={value};{};{};0;{max}",
            quoted(&self.label),
            range(measurement.warning),
            range(measurement.critical),
        );
        text.trim_end_matches(';').to_owned()
    }
}

/// Returns the unit's symbol after a value; the names of metrics without one end with their unit.
const fn symbol(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => "%",
        Unit::Seconds => "s",
        _ => "",
    }
}

/// Rounds to thousandths for graphs. The thresholds are compared with the exact value.
#[allow(clippy::float_arithmetic, reason = "a figure, no money")]
fn rounded(value: f64) -> f64 {
    let rounded = (value * 1000.0).round() / 1000.0;
    if rounded.is_finite() { rounded } else { value }
}

/// A label may contain any character but `=`; a quote is doubled.
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
    use neobank_ops::checks::Metric;

    use super::*;

    fn data(label: &str, measurement: Measurement) -> String {
        let label = label.to_owned();
        Measure { label, measurement }.performance_data()
    }

    #[test]
    fn performance_data_has_the_form_of_the_guidelines() {
        static SHARE: Metric = Metric::new("share", Unit::Percent, "share_ratio", "A share.");
        static NUMBER: Metric = Metric::new("number", Unit::Count, "number", "A number.");
        static TIME: Metric = Metric::new("time", Unit::Seconds, "time_seconds", "A time.");
        static MEAN: Metric = Metric::new("mean", Unit::Milliseconds, "mean_seconds", "A mean.");
        let usage = SHARE
            .of(42.5)
            .warning(Threshold::from(75.0))
            .critical(Threshold::from(90.0));
        assert_eq!(
            data("connection usage", usage),
            "'connection usage'=42.5%;@75:;@90:;0;100"
        );
        let hits = SHARE.of(99.973_837_083);
        assert_eq!(data("hits", hits), "hits=99.974%;;;0;100");
        let endless = data("endless", NUMBER.of(f64::MAX));
        assert!(endless.starts_with("endless=17976"), "{endless}");
        assert_eq!(
            Measure::from(NUMBER.of(3.0)).performance_data(),
            "number=3;;;0"
        );
        assert_eq!(
            data("mean_milliseconds", MEAN.of(1.5)),
            "mean_milliseconds=1.5;;;0"
        );
        let hostile = data("a'b=c|d\n", TIME.of(f64::NAN));
        assert_eq!(hostile, "'a''b_c_d_'=U;;;0");
    }
}
