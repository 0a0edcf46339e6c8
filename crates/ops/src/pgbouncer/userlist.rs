//! The file `userlist.txt`.

use super::{PgbouncerError, values};

/// A user of `userlist.txt`.
///
/// A SCRAM secret, as `pg_authid.rolpassword` has it, is enough when PgBouncer connects to the
/// server as the same user with the same secret: PgBouncer then never has the password. `Debug`
/// does not show it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PgbouncerUser {
    /// The user's name.
    pub name: String,
    /// The password, or its SCRAM secret (`SCRAM-SHA-256$4096:…`).
    pub secret: String,
}

impl PgbouncerUser {
    /// The longest name that fits the buffers of every version.
    const NAME_MAX: usize = 63;
    const SECRET_MAX: usize = 1023;

    /// Creates a user with a password or a SCRAM secret.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            secret: secret.into(),
        }
    }
}

impl std::fmt::Debug for PgbouncerUser {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PgbouncerUser")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Returns the text of `userlist.txt`. Only PgBouncer may read that file.
///
/// # Errors
///
/// [`PgbouncerError::Invalid`]; it never contains a secret.
///
/// # Example
///
/// ```
/// use neobank_ops::pgbouncer::{PgbouncerUser, userlist};
///
/// let text = userlist(&[PgbouncerUser::new("teller \"1\"", "s3cret")])?;
/// assert_eq!(text, "\"teller \"\"1\"\"\" \"s3cret\"\n");
/// # Ok::<(), neobank_ops::pgbouncer::PgbouncerError>(())
/// ```
pub fn userlist(users: &[PgbouncerUser]) -> Result<String, PgbouncerError> {
    let mut text = String::new();
    for user in users {
        let name = values::double_quoted("users.name", &user.name, PgbouncerUser::NAME_MAX)?;
        let secret = values::double_quoted("users.secret", &user.secret, PgbouncerUser::SECRET_MAX)
            .map_err(|_| {
                PgbouncerError::invalid(
                    "users.secret",
                    &format!("(of {})", user.name),
                    "1 to 1023 bytes without control characters",
                )
            })?;
        text.push_str(&format!("{name} {secret}\n"));
    }
    Ok(text)
}
