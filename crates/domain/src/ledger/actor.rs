//! The actor: the person or program that asks for a change.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::{shortened, text};

/// The person or program that asks for a change, such as `teller:42` or `batch:interest`. The
/// ledger stores the name with each transfer and does not interpret it.
///
/// # Example
///
/// ```
/// use neobank_domain::ledger::Actor;
///
/// let actor: Actor = "teller:42".parse()?;
/// assert_eq!(actor.as_str(), "teller:42");
/// assert!("".parse::<Actor>().is_err());
/// # Ok::<(), neobank_domain::ledger::NotAnActor>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor(Arc<str>);

/// A text that cannot name an actor.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the actor {text:?} cannot be kept: {reason}")]
#[non_exhaustive]
pub struct NotAnActor {
    /// The text, shortened.
    pub text: String,
    /// The defect of the text.
    pub reason: String,
}

impl Actor {
    /// The most characters of an actor's name.
    pub const LENGTH_MAX: usize = 200;

    /// Returns the actor's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Actor {
    type Err = NotAnActor;

    fn from_str(name: &str) -> Result<Self, NotAnActor> {
        match text::name(name, Self::LENGTH_MAX) {
            Ok(()) => Ok(Self(name.into())),
            Err(problem) => Err(NotAnActor {
                text: shortened(name),
                reason: problem.to_string(),
            }),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
