//! The name of a lock, and its key.

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

/// The maximum length of a namespace, in characters.
const NAMESPACE_LENGTH: usize = 63;
/// The maximum length of an identifier, in characters.
const IDENTIFIER_LENGTH: usize = 255;
/// The namespace of customers, which `concurrency.acquire_customer_lock` uses too.
const CUSTOMER: &str = "customer";

/// The name of a lock: a namespace, such as `customer`, and an identifier within it.
///
/// PostgreSQL locks a number of 64 bits: the first eight bytes of SHA-256 over the namespace, a
/// zero byte and the identifier. `concurrency.lock_key` computes the same in SQL. Two names with
/// one number are detected when the second is locked
/// ([`LockError::Collision`](super::LockError::Collision)).
///
/// # Example
///
/// ```
/// use neobank_db::locks::LockName;
///
/// let name = LockName::new("day-end", "Praha 1")?;
/// assert_eq!(name.key(), -7_739_581_703_192_819_560);
/// assert_eq!(
///     LockName::new("day-end", "").unwrap_err().to_string(),
///     "the identifier of a lock is \"\": it must have between 1 and 255 characters"
/// );
/// # Ok::<(), neobank_db::locks::LockNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LockName {
    namespace: String,
    identifier: String,
    key: i64,
}

/// The error of a lock's name that is not valid.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the {field} of a lock is {value:?}: {reason}")]
#[non_exhaustive]
pub struct LockNameError {
    /// The part: `namespace` or `identifier`.
    pub field: &'static str,
    /// The value; cut to the maximum length.
    pub value: String,
    /// The fault of the value.
    pub reason: String,
}

impl LockName {
    /// Creates a name from its namespace (1 to 63 characters) and its identifier (1 to 255
    /// characters). Neither may contain a NUL character, which PostgreSQL cannot store.
    ///
    /// # Errors
    ///
    /// [`LockNameError`] names the part and its value.
    pub fn new(
        namespace: impl Into<String>,
        identifier: impl Into<String>,
    ) -> Result<Self, LockNameError> {
        let (namespace, identifier) = (namespace.into(), identifier.into());
        check("namespace", &namespace, NAMESPACE_LENGTH)?;
        check("identifier", &identifier, IDENTIFIER_LENGTH)?;
        Ok(Self::from_parts(namespace, identifier))
    }

    /// Returns the name of a customer: the same lock as `concurrency.acquire_customer_lock`.
    #[must_use]
    pub fn customer(customer_id: Uuid) -> Self {
        Self::from_parts(CUSTOMER.to_owned(), customer_id.hyphenated().to_string())
    }

    /// Returns the namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the identifier within the namespace.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// Returns the number that PostgreSQL locks.
    #[must_use]
    pub fn key(&self) -> i64 {
        self.key
    }

    pub(super) fn from_parts(namespace: String, identifier: String) -> Self {
        let key = key(&namespace, &identifier);
        Self {
            namespace,
            identifier,
            key,
        }
    }
}

impl fmt::Display for LockName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}", self.namespace, self.identifier)
    }
}

fn key(namespace: &str, identifier: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update(namespace.as_bytes());
    hash.update([0]);
    hash.update(identifier.as_bytes());
    hash.finalize()
        .iter()
        .take(8)
        .fold(0_u64, |key, byte| (key << 8) | u64::from(*byte))
        .cast_signed()
}

fn check(field: &'static str, value: &str, limit: usize) -> Result<(), LockNameError> {
    let reason = if value.is_empty() || value.chars().count() > limit {
        format!("it must have between 1 and {limit} characters")
    } else if value.contains('\0') {
        "it must not hold a zero character".to_owned()
    } else {
        return Ok(());
    };
    Err(LockNameError {
        field,
        value: value.chars().take(limit).collect(),
        reason,
    })
}
