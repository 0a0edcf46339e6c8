//! Times and days as callers write them: RFC 3339, without what parsers take beside it.

use std::fmt::Display;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Deserializer};

/// The form of a time.
pub(crate) const TIME_FORM: &str =
    "A time has the form of RFC 3339, such as 2026-11-30T12:00:00Z, without a leap second.";
/// The form of a day.
pub(crate) const DAY_FORM: &str = "A day has the form 2026-11-30.";

/// Reads a time of RFC 3339. A leap second is rejected, because the database has none.
pub(crate) fn time(text: &str) -> Option<DateTime<Utc>> {
    let (day, rest) = text.split_at_checked(10)?;
    day_of(day)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let has_form = is_form(clock, "00:00:00") && !clock.ends_with("60");
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            (zone.len() < fraction.len()).then_some(zone)?
        }
        None => rest,
    };
    let is_offset = zone
        .strip_prefix(['+', '-'])
        .is_some_and(|offset| is_form(offset, "00:00"));
    if !has_form || !(zone.eq_ignore_ascii_case("z") || is_offset) {
        return None;
    }
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.with_timezone(&Utc))
}

/// Reads a day, which has four digits of the year and two of the month and the day.
pub(crate) fn day_of(text: &str) -> Option<NaiveDate> {
    is_form(text, "0000-00-00").then(|| text.parse().ok())?
}

/// Reads a time that may be missing.
pub(crate) fn optional_time<'de, D>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| read(time(&text), &text, TIME_FORM))
        .transpose()
}

/// Reads a day that may be missing.
pub(crate) fn optional_day<'de, D>(deserializer: D) -> Result<Option<NaiveDate>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| read(day_of(&text), &text, DAY_FORM))
        .transpose()
}

/// Reads a day.
pub(crate) fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(day_of(&text), &text, DAY_FORM)
}

fn read<T, E: serde::de::Error>(value: Option<T>, text: &str, form: impl Display) -> Result<T, E> {
    let text = neobank_domain::shortened(text);
    value.ok_or_else(|| E::custom(format!("{text:?}: {form}")))
}

/// Returns true for a text with digits where the form has 0, and otherwise the form's characters.
fn is_form(text: &str, form: &str) -> bool {
    let fits = |(given, expected): (u8, u8)| match expected {
        b'0' => given.is_ascii_digit(),
        other => given == other,
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_of_rfc_3339_are_read() {
        for right in [
            "2026-11-30T12:00:00Z",
            "2026-11-30t12:00:00z",
            "2026-11-30T12:00:00.123456+01:00",
            "2026-11-30T12:00:00-00:30",
        ] {
            assert!(time(right).is_some(), "{right}");
        }
        for wrong in [
            "",
            "2026-11-30",
            "2026-11-30 12:00:00Z",
            "2026-11-30T12:00:00",
            "2026-11-30T12:00Z",
            "2026-11-30T23:59:60Z",
            "2026-11-30T12:00:00.Z",
            "2026-11-30T12:00:00+0100",
            "2026-11-30T12:00:00 Z",
            "2026-02-30T12:00:00Z",
            "+002026-11-30T12:00:00Z",
            "2026-11-3éT12:00:00Z",
        ] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_days_with_all_digits_are_read() {
        assert!(day_of("2026-11-30").is_some());
        for wrong in [
            "2026-1-3",
            "+2026-11-30",
            "2026-11-31",
            " 2026-11-30",
            "26-11-30",
            "2026 -11-3",
        ] {
            assert_eq!(day_of(wrong), None, "{wrong}");
        }
    }
}
