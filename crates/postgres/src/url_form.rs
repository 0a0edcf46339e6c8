//! Database URLs in the form that libpq, tokio-postgres and sqlx all read.

use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use url::Url;

use crate::StartError;

/// The superuser of every server that this crate starts.
pub(crate) const SUPERUSER: &str = "postgres";

/// Returns the URL of a server on a TCP port of this machine.
pub(crate) fn tcp(port: u16, password: &str) -> String {
    format!("postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres")
}

/// Returns the URL of a server on a Unix socket.
///
/// The folder stands percent-encoded in the place of the host. sqlx, whose parser rejects a user
/// without a host, reads only this one of libpq's forms.
pub(crate) fn unix_socket(folder: &Path, port: u16) -> String {
    let folder = percent_encode(folder.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC);
    format!("postgresql://{SUPERUSER}@{folder}:{port}/postgres")
}

/// Parses a given URL.
pub(crate) fn parse(url: &str) -> Result<Url, StartError> {
    let reject = |reason: String| StartError::Url { reason };
    let parsed = Url::parse(url).map_err(|error| reject(error.to_string()))?;
    match parsed.scheme() {
        "postgres" | "postgresql" if !parsed.cannot_be_a_base() => Ok(parsed),
        scheme => Err(reject(format!("it starts with `{scheme}:`"))),
    }
}

/// Returns the URL of another database of the same server.
pub(crate) fn with_database(url: &Url, database: &str) -> Url {
    let mut other = url.clone();
    if let Ok(mut path) = other.path_segments_mut() {
        path.clear().push(database);
    }
    other
}

/// Returns the URL of the same database for another role with this password.
pub(crate) fn with_role(url: &Url, role: &str, password: &str) -> Url {
    let mut other = url.clone();
    // Neither fails for a URL that has a host.
    let _ = other.set_username(role);
    let _ = other.set_password(Some(password));
    other
}

/// Returns the URL without its password, for messages.
pub(crate) fn without_password(url: &Url) -> String {
    let mut shown = url.clone();
    // A URL without a host has no password either.
    let _ = shown.set_password(None);
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_keeps_host_and_parameters() {
        let url =
            parse("postgresql://me:secret@%2Frun%2Fa%20b:5432/postgres?sslmode=disable").unwrap();
        assert_eq!(
            with_database(&url, "a b/c").as_str(),
            "postgresql://me:secret@%2Frun%2Fa%20b:5432/a%20b%2Fc?sslmode=disable"
        );
    }

    #[test]
    fn password_is_not_shown() {
        let url = parse("postgres://me:secret@host/db").unwrap();
        assert_eq!(without_password(&url), "postgres://me@host/db");
    }

    #[test]
    fn other_urls_are_rejected() {
        for url in [
            "host=localhost dbname=x",
            "http://host/db",
            "postgresql:db",
            "",
        ] {
            assert!(matches!(parse(url), Err(StartError::Url { .. })), "{url}");
        }
    }
}
