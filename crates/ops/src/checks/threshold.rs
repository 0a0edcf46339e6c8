//! The ranges of values that raise an alert.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// A range of values, and whether values inside or outside of it raise an alert. Both ends belong
/// to the range.
///
/// The text form is that of the Monitoring Plugins Development Guidelines: `10` alerts outside of 0
/// to 10, `10:` below 10, `~:10` above 10, `@10:20` from 10 to 20.
///
/// # Example
///
/// ```
/// use neobank_ops::checks::Threshold;
///
/// assert!(Threshold::from(75.0).alerts(75.0));
/// assert!(!Threshold::above(75.0).alerts(75.0));
/// let typed: Threshold = "@10:20".parse()?;
/// assert!(typed.alerts(10.0) && !typed.alerts(9.9));
/// assert_eq!(typed.to_string(), "@10:20");
/// # Ok::<(), neobank_ops::checks::ThresholdError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    start: f64,
    end: f64,
    is_inside: bool,
}

/// An error for a text that is not a range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// The text has another form.
    #[error("{text:?} is not a range such as 10, 5:10, 10:, ~:10 or @5:10")]
    NotARange {
        /// The text, cut to a length.
        text: String,
    },
    /// The end is below the start.
    #[error("the range {text:?} begins above its end")]
    Reversed {
        /// The text, cut to a length.
        text: String,
    },
}

impl Threshold {
    /// Returns a threshold that alerts above this value, and below zero.
    #[must_use]
    pub const fn above(end: f64) -> Self {
        Self {
            start: 0.0,
            end,
            is_inside: false,
        }
    }

    /// Returns a threshold that alerts at this value and above it.
    #[must_use]
    pub const fn from(start: f64) -> Self {
        Self {
            start,
            end: f64::INFINITY,
            is_inside: true,
        }
    }

    /// Returns a threshold that alerts below this value.
    #[must_use]
    pub const fn below(start: f64) -> Self {
        Self {
            start,
            end: f64::INFINITY,
            is_inside: false,
        }
    }

    /// Returns `true` for a value that raises an alert. NaN does.
    #[must_use]
    pub fn alerts(self, value: f64) -> bool {
        if value.is_nan() {
            return true;
        }
        (self.start <= value && value <= self.end) == self.is_inside
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let wrong = || ThresholdError::NotARange { text: cut(text) };
        let (is_inside, ends) = match text.strip_prefix('@') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (start, end) = match ends.split_once(':') {
            Some((start, end)) => (start, end),
            None => ("0", ends),
        };
        let start = match start {
            "~" => f64::NEG_INFINITY,
            "" => 0.0,
            number => finite(number).ok_or_else(wrong)?,
        };
        let end = match end {
            "" if ends.contains(':') => f64::INFINITY,
            number => finite(number).ok_or_else(wrong)?,
        };
        if start > end {
            return Err(ThresholdError::Reversed { text: cut(text) });
        }
        Ok(Self {
            start,
            end,
            is_inside,
        })
    }
}

/// Returns the beginning of a text, for an error.
fn cut(text: &str) -> String {
    const LENGTH_MAX: usize = 64;
    text.chars().take(LENGTH_MAX).collect()
}

/// Parses a number in digits. Words that Rust also reads as numbers, such as `inf`, are rejected.
fn finite(text: &str) -> Option<f64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'))
        .then(|| text.parse::<f64>().ok())
        .flatten()
        .filter(|number| number.is_finite())
}

impl fmt::Display for Threshold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_inside {
            formatter.write_str("@")?;
        }
        if self.start == f64::NEG_INFINITY {
            formatter.write_str("~:")?;
        } else if self.start != 0.0 || self.end == f64::INFINITY {
            write!(formatter, "{}:", self.start)?;
        }
        if self.end < f64::INFINITY {
            write!(formatter, "{}", self.end)?;
        }
        Ok(())
    }
}

/// The text form is kept, because JSON has no infinity.
impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The table of the guidelines.
    #[test]
    fn ranges_alert_as_in_the_guidelines() {
        for (text, quiet, loud) in [
            ("10", vec![0.0, 5.0, 10.0], vec![-0.1, 10.1]),
            ("10:", vec![10.0, 1e12], vec![9.9, -1.0]),
            ("~:10", vec![-1e12, 10.0], vec![10.1]),
            ("10:20", vec![10.0, 20.0], vec![9.9, 20.1]),
            ("@10:20", vec![9.9, 20.1], vec![10.0, 15.0, 20.0]),
        ] {
            let range: Threshold = text.parse().unwrap();
            for value in quiet {
                assert!(!range.alerts(value), "{text} must be quiet at {value}");
            }
            for value in loud {
                assert!(range.alerts(value), "{text} must alert at {value}");
            }
            assert!(range.alerts(f64::NAN));
        }
    }

    #[test]
    fn invalid_ranges_are_rejected_by_name() {
        for text in [
            "", "ten", "20:10", "@", "1:2:3", "inf", "nan:", "10,5", "~", "--1",
        ] {
            let error = text.parse::<Threshold>().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        let long = "x".repeat(10_000).parse::<Threshold>().unwrap_err();
        assert!(long.to_string().len() < 200);
    }

    #[test]
    fn constructors_include_or_exclude_their_bound() {
        assert!(Threshold::from(5.0).alerts(5.0) && !Threshold::from(5.0).alerts(4.9));
        assert!(Threshold::below(5.0).alerts(4.9) && !Threshold::below(5.0).alerts(5.0));
        assert!(Threshold::above(0.0).alerts(1.0) && !Threshold::above(0.0).alerts(0.0));
    }

    proptest! {
        #[test]
        fn range_round_trips_through_text(
            start in -1e6..1e6_f64, length in 0.0..1e6_f64, is_inside: bool, open in 0..4_u8,
        ) {
            let range = Threshold {
                start: if open & 1 == 0 { start } else { f64::NEG_INFINITY },
                end: if open & 2 == 0 { start.max(start + length) } else { f64::INFINITY },
                is_inside,
            };
            prop_assert_eq!(range.to_string().parse::<Threshold>(), Ok(range), "{}", range);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<Threshold>();
        }
    }
}
