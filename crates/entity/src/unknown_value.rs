//! The error of a text that is not a value of a domain.

use std::error::Error;
use std::fmt;

/// The number of characters of the text that the error repeats.
const SHOWN_MAX: usize = 80;

/// The error of a text that is not a value of a domain, such as a status that a newer schema added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownValue {
    domain: &'static str,
    text: String,
}

impl UnknownValue {
    pub(crate) fn new(domain: &'static str, text: &str) -> Self {
        Self {
            domain,
            text: text.chars().take(SHOWN_MAX).collect(),
        }
    }

    /// Returns the name of the domain, without its schema's.
    #[must_use]
    pub const fn domain(&self) -> &'static str {
        self.domain
    }
}

impl fmt::Display for UnknownValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} is not a value of {}",
            self.text, self.domain
        )
    }
}

impl Error for UnknownValue {}
