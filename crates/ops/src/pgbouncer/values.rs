//! Values of PgBouncer's files: written so that PgBouncer reads them back unchanged, or rejected.

use super::PgbouncerError;

const PLAIN: &str = "a text without control characters, and without blanks around it";

/// A value of the section `[pgbouncer]`: the rest of its line, without surrounding blanks. No
/// character in it is special.
pub(super) fn plain<'a>(field: &str, value: &'a str) -> Result<&'a str, PgbouncerError> {
    let has_blanks = value.trim() != value;
    if value.is_empty() || has_blanks || value.chars().any(char::is_control) {
        return Err(PgbouncerError::invalid(field, value, PLAIN));
    }
    Ok(value)
}

/// A value of a connection string, in quotes.
pub(super) fn quoted(field: &str, value: &str) -> Result<String, PgbouncerError> {
    if value.is_empty() || value.chars().any(char::is_control) {
        return Err(PgbouncerError::invalid(
            field,
            value,
            "a text without control characters",
        ));
    }
    Ok(format!("'{}'", value.replace('\'', "''")))
}

/// A name of PostgreSQL in a connection string.
pub(super) fn quoted_name(field: &str, value: &str) -> Result<String, PgbouncerError> {
    if value.len() > 63 {
        return Err(PgbouncerError::invalid(field, value, "at most 63 bytes"));
    }
    quoted(field, value)
}

/// The name of a database for clients: a key. PgBouncer's documentation puts a name with other
/// characters in double quotes, but its parser (seen with 1.18) rejects them; the database's name
/// on the server may be any.
pub(super) fn key<'a>(field: &str, value: &'a str) -> Result<&'a str, PgbouncerError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if value.is_empty() || value.len() > 63 || !value.bytes().all(allowed) || value == "pgbouncer" {
        return Err(PgbouncerError::invalid(
            field,
            value,
            "1 to 63 of the characters A-Z, a-z, 0-9, _, . and -, and not pgbouncer, which is the console's name",
        ));
    }
    Ok(value)
}

/// A list of users, separated by commas.
pub(super) fn users(field: &str, users: &[String]) -> Result<String, PgbouncerError> {
    for user in users {
        let separates = |character: char| {
            character == ',' || character.is_whitespace() || character.is_control()
        };
        if user.is_empty() || user.len() > 63 || user.contains(separates) {
            return Err(PgbouncerError::invalid(
                field,
                user,
                "names of 1 to 63 bytes without commas, blanks and control characters",
            ));
        }
    }
    Ok(users.join(", "))
}

/// A field of `userlist.txt` or of an HBA file, in double quotes.
pub(super) fn double_quoted(
    field: &str,
    value: &str,
    length_max: usize,
) -> Result<String, PgbouncerError> {
    // A value of the length of PgBouncer's own buffer ends the reading of the file, which loses all
    // users behind it.
    if value.is_empty() || value.len() > length_max || value.chars().any(char::is_control) {
        return Err(PgbouncerError::Invalid {
            field: field.to_owned(),
            value: value.to_owned(),
            expected: format!("1 to {length_max} bytes without control characters"),
        });
    }
    Ok(format!("\"{}\"", value.replace('"', "\"\"")))
}
