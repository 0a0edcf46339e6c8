//! Numbers in the form that messages use.

use std::fmt::Display;

/// Returns a size in a readable unit, rounded down: `12 KiB`.
#[must_use]
pub fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut rest = bytes;
    let mut unit = 0;
    while rest.abs() >= 10_240 && unit + 1 < UNITS.len() {
        rest /= 1024;
        unit += 1;
    }
    format!("{rest} {}", UNITS.get(unit).copied().unwrap_or_default())
}

/// Returns a number with its noun: the singular for one, the plural for any other number.
#[must_use]
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(
    number: N,
    one: &str,
    many: &str,
) -> String {
    let words = if number == N::from(1) { one } else { many };
    format!("{number} {words}")
}

/// Returns seconds with one decimal: `1.5 s`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

/// Returns a number of things as a measurement's value, at most four billion.
#[must_use]
pub fn count(number: impl TryInto<u32>) -> f64 {
    f64::from(number.try_into().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_readable_units() {
        assert_eq!(bytes(10_239), "10239 B");
        assert_eq!(bytes(10_240), "10 KiB");
        assert_eq!(bytes(i64::MAX), "8589934591 GiB");
        assert_eq!(counted(1_i64, "row is", "rows are"), "1 row is");
        assert_eq!(counted(0_usize, "row is", "rows are"), "0 rows are");
        assert_eq!(seconds(1.25), "1.2 s");
        assert_eq!((count(-1_i64), count(7_usize)), (f64::from(u32::MAX), 7.0));
    }
}
