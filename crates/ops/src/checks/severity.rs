//! The severity of a subject's state.

use serde::Serialize;

/// The severity of a subject's state, from the best to the worst. A known problem is worse than an
/// unknown state.
///
/// # Example
///
/// ```
/// use neobank_ops::checks::Severity;
///
/// let worst = [Severity::Warning, Severity::Ok, Severity::Unknown].into_iter().max();
/// assert_eq!(worst, Some(Severity::Warning));
/// assert_eq!((Severity::Unknown.word(), Severity::Unknown.code()), ("UNKNOWN", 3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// No problem.
    #[default]
    Ok,
    /// Too little data for a verdict.
    Unknown,
    /// An operator should look at it.
    Warning,
    /// Callers suffer, or soon will.
    Critical,
}

impl Severity {
    /// Every severity, from the best to the worst.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Unknown, Self::Warning, Self::Critical];

    /// Returns the word that Nagios and Icinga use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }

    /// Returns the exit code of a Nagios plugin: 0 ok, 1 warning, 2 critical, 3 unknown.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// Returns [`Severity::Unknown`] instead of [`Severity::Ok`] where some data could not be
    /// judged. A warning and a critical state stay as they are.
    #[must_use]
    pub const fn unless_unknown(self, is_unknown: bool) -> Self {
        match self {
            Self::Ok if is_unknown => Self::Unknown,
            other => other,
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ok_becomes_unknown() {
        for severity in Severity::ALL {
            let expected = match severity {
                Severity::Ok => Severity::Unknown,
                other => other,
            };
            assert_eq!(severity.unless_unknown(true), expected);
            assert_eq!(severity.unless_unknown(false), severity);
        }
    }
}
