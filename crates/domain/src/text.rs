//! Checks of the texts that a caller gives, before they reach the database.

use chrono::{DateTime, Datelike, Utc};

/// The number of characters of an input that an error message repeats.
const SHOWN_MAX: usize = 80;

/// Returns an input as error messages repeat it: its first 80 characters, and its length in bytes
/// when it has more.
///
/// # Example
///
/// ```
/// use neobank_domain::shortened;
///
/// assert_eq!(shortened("12.505"), "12.505");
/// assert_eq!(shortened(&"9".repeat(300_000)), format!("{}… (300000 bytes)", "9".repeat(80)));
/// ```
#[must_use]
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!(
            "{}… ({} bytes)",
            text.get(..end).unwrap_or_default(),
            text.len()
        ),
        None => text.to_owned(),
    }
}

/// The rule that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextProblem {
    /// The text is empty.
    Empty,
    /// The text has more characters than the limit.
    TooLong {
        /// The most characters.
        limit: usize,
    },
    /// The text has a NUL character, which PostgreSQL cannot store.
    HasNul,
    /// The text has a control character, such as ESC, which a terminal would obey.
    HasControl,
    /// The text has nothing but spaces.
    Blank,
}

impl std::fmt::Display for TextProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => formatter.write_str("it is empty"),
            Self::TooLong { limit } => write!(formatter, "it has more than {limit} characters"),
            Self::HasNul => formatter.write_str("it has a NUL character"),
            Self::HasControl => formatter.write_str("it has a control character"),
            Self::Blank => formatter.write_str("it has nothing but spaces"),
        }
    }
}

/// Checks a text of 1 to `limit` characters, which are code points as in the database.
pub(crate) fn required(text: &str, limit: usize) -> Result<(), TextProblem> {
    if text.is_empty() {
        Err(TextProblem::Empty)
    } else {
        optional(text, limit)
    }
}

/// Checks a text of at most `limit` characters.
pub(crate) fn optional(text: &str, limit: usize) -> Result<(), TextProblem> {
    if text.contains('\0') {
        return Err(TextProblem::HasNul);
    }
    if text.chars().nth(limit).is_some() {
        return Err(TextProblem::TooLong { limit });
    }
    Ok(())
}

/// Checks a text of at most `limit` characters without control characters: one line for people.
pub(crate) fn printable(text: &str, limit: usize) -> Result<(), TextProblem> {
    optional(text, limit)?;
    if text.chars().any(char::is_control) {
        return Err(TextProblem::HasControl);
    }
    Ok(())
}

/// Checks a name of 1 to `limit` characters, not all of them spaces.
pub(crate) fn name(text: &str, limit: usize) -> Result<(), TextProblem> {
    required(text, limit)?;
    if text.chars().all(char::is_whitespace) {
        return Err(TextProblem::Blank);
    }
    printable(text, limit)
}

/// Checks the number that another system gave a customer or an account.
///
/// `is_made_here` returns true for the numbers of the form that the database makes.
pub(crate) fn check_number(
    number: &str,
    is_made_here: impl Fn(&str) -> bool,
) -> Result<(), &'static str> {
    let is_trimmed = number.trim().len() == number.len();
    if number.is_empty() || number.chars().nth(64).is_some() || !is_trimmed {
        return Err("not 1 to 64 characters without a space at either end");
    }
    if number.chars().any(char::is_control) {
        return Err("it has a control character");
    }
    if is_made_here(number) {
        return Err("the database makes numbers of this form itself");
    }
    Ok(())
}

/// Reads the time of a cursor, in microseconds since 1970: a moment in the years 1 to 9999, which
/// both PostgreSQL and `chrono` can hold.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(text.parse().ok()?)
        .filter(|moment| (1..=9999).contains(&moment.year()))
}
