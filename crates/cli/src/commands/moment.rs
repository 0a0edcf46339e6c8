//! A point in time on the command line.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

/// Reads a time with its UTC offset, or a day, which begins at midnight UTC.
pub(super) fn parse(text: &str) -> Result<DateTime<Utc>, &'static str> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    let is_day = text.len() == 10;
    let day = is_day.then(|| text.parse::<NaiveDate>().ok()).flatten();
    day.map(|day| day.and_time(NaiveTime::MIN).and_utc())
        .ok_or("not a time such as 2026-11-01T08:00:00+01:00, nor a day such as 2026-11-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_offset_and_days_begin_at_midnight_utc() {
        let read = |text| parse(text).map(|moment| moment.to_rfc3339());
        assert_eq!(
            read("2026-11-01T08:00:00.5+01:00").unwrap(),
            "2026-11-01T07:00:00.500+00:00"
        );
        assert_eq!(read("2026-11-01").unwrap(), "2026-11-01T00:00:00+00:00");
        for wrong in [
            "",
            "2026-11",
            "2026-13-01",
            "2026-11-01T08:00:00",
            "now",
            "2026-1-001",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
