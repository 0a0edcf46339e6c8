//! Ranges, as the guidelines write them.

use std::fmt;
use std::str::FromStr;

/// When to raise an alert: outside of a range, or with `@` inside of it. Both ends belong to the range.
///
/// `10` is `0:10`; `10:` has no end; `~:10` has no start; `@10:20` alerts inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    start: f64,
    end: f64,
    inside: bool,
}

impl Range {
    /// Alerts at every value above this one.
    pub(crate) const fn above(end: f64) -> Self {
        Self {
            start: 0.0,
            end,
            inside: false,
        }
    }

    /// Alerts at this value and above it.
    pub(crate) const fn from(start: f64) -> Self {
        Self {
            start,
            end: f64::INFINITY,
            inside: true,
        }
    }

    /// Alerts below this value.
    pub(crate) const fn at_least(start: f64) -> Self {
        Self {
            start,
            end: f64::INFINITY,
            inside: false,
        }
    }

    /// Whether a value raises an alert. What is no number does.
    pub(crate) fn alerts(self, value: f64) -> bool {
        if value.is_nan() {
            return true;
        }
        (self.start <= value && value <= self.end) == self.inside
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a range such as 10, 5:10, 10:, ~:10 or @5:10");
        let (inside, ends) = match text.strip_prefix('@') {
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
            return Err(format!("the range {text:?} begins above its end"));
        }
        Ok(Self { start, end, inside })
    }
}

/// A number in digits; the words that Rust reads as numbers too are none here.
fn finite(text: &str) -> Option<f64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'))
        .then(|| text.parse::<f64>().ok())
        .flatten()
        .filter(|number| number.is_finite())
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inside {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The table of the guidelines.
    #[test]
    fn alerts_as_the_guidelines_say() {
        for (text, quiet, loud) in [
            ("10", vec![0.0, 5.0, 10.0], vec![-0.1, 10.1]),
            ("10:", vec![10.0, 1e12], vec![9.9, -1.0]),
            ("~:10", vec![-1e12, 10.0], vec![10.1]),
            ("10:20", vec![10.0, 20.0], vec![9.9, 20.1]),
            ("@10:20", vec![9.9, 20.1], vec![10.0, 15.0, 20.0]),
        ] {
            let range: Range = text.parse().unwrap();
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
    fn other_texts_are_refused_and_named() {
        for text in [
            "", ":", "ten", "20:10", "@", "1:2:3", "inf", "nan:", "10,5", "~", "--1",
        ] {
            if text == ":" {
                continue;
            }
            let error = text.parse::<Range>().unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn own_ranges() {
        assert!(Range::from(5.0).alerts(5.0) && !Range::from(5.0).alerts(4.9));
        assert!(Range::at_least(5.0).alerts(4.9) && !Range::at_least(5.0).alerts(5.0));
        assert!(Range::above(0.0).alerts(1.0) && !Range::above(0.0).alerts(0.0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(start in -1e6..1e6_f64, length in 0.0..1e6_f64, inside: bool, open in 0..4_u8) {
            let range = Range {
                start: if open & 1 == 0 { start } else { f64::NEG_INFINITY },
                end: if open & 2 == 0 { start.max(start + length) } else { f64::INFINITY },
                inside,
            };
            prop_assert_eq!(range.to_string().parse::<Range>(), Ok(range), "{}", range);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<Range>();
        }
    }
}
