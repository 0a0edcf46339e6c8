//! The name of a constraint that the database enforces.

use std::fmt;

/// A constraint of a table or a domain, a unique index, or a rule that a trigger enforces and
/// reports under a constraint's name.
///
/// [`constraints`](crate::constraints) has a constant for each one of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Constraint {
    /// The schema of the table or domain.
    pub schema: &'static str,
    /// The table or domain that the constraint belongs to.
    pub owner: &'static str,
    /// The name of the constraint, unique within the schema.
    pub name: &'static str,
}

impl Constraint {
    pub(crate) const fn new(schema: &'static str, owner: &'static str, name: &'static str) -> Self {
        Self {
            schema,
            owner,
            name,
        }
    }

    /// Returns the constraint with a name in a schema, or `None`.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_entity::{Constraint, constraints};
    ///
    /// let found = Constraint::find("banking", "accounts_pkey");
    /// assert_eq!(found, Some(constraints::banking::ACCOUNTS_PKEY));
    /// assert_eq!(Constraint::find("public", "accounts_pkey"), None);
    /// ```
    #[must_use]
    pub fn find(schema: &str, name: &str) -> Option<Self> {
        crate::constraints::ALL
            .iter()
            .find(|known| known.schema == schema && known.name == name)
            .copied()
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {}.{}", self.name, self.schema, self.owner)
    }
}
