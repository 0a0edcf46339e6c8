//! libpq's password file: lines of `host:port:database:user:password`.

use std::path::Path;

use crate::config::Secret;

/// The login whose password is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) database: &'a str,
    pub(crate) user: &'a str,
}

/// Returns the password of the first matching line. Skips a file that others may read with a
/// warning, as libpq does, and a missing file silently.
pub(crate) fn find(file: &Path, login: Login<'_>) -> Option<Secret> {
    let text = match read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!("the password file {} is not used: {error}", file.display());
            return None;
        }
    };
    password(&text, login).map(Secret::new)
}

fn read(file: &Path) -> std::io::Result<String> {
    let metadata = std::fs::metadata(file)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is no ordinary file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(std::io::Error::other(
                "its group or others may use it; chmod 0600",
            ));
        }
    }
    Ok(String::from_utf8_lossy(&std::fs::read(file)?).into_owned())
}

/// Returns the password of the first matching line of a text.
fn password(text: &str, login: Login<'_>) -> Option<String> {
    let port = login.port.to_string();
    let is_socket = login.host.starts_with('/');
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut rest = line.trim_end_matches('\r');
            let mut field = || -> Option<Field> {
                let (field, after) = take(rest);
                rest = after?;
                Some(field)
            };
            let (host, its_port, database, user) = (field()?, field()?, field()?, field()?);
            let is_host = host.fits(login.host) || (is_socket && host.fits("localhost"));
            let fits = is_host
                && its_port.fits(&port)
                && database.fits(login.database)
                && user.fits(login.user);
            fits.then(|| take_all(rest))
        })
}

/// A field of a line: a pattern for one part of a login.
#[derive(Debug, PartialEq, Eq)]
enum Field {
    Any,
    Text(String),
}

impl Field {
    fn fits(&self, wanted: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(text) => text == wanted,
        }
    }
}

/// Reads the field up to the next unescaped colon, and the rest of the line; `None` without a
/// colon.
fn take(line: &str) -> (Field, Option<&str>) {
    let mut text = String::new();
    let mut characters = line.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            ':' => {
                let raw = line.get(..place).unwrap_or_default();
                let field = if raw == "*" {
                    Field::Any
                } else {
                    Field::Text(text)
                };
                return (field, line.get(place + 1..));
            }
            '\\' => text.extend(characters.next().map(|(_, escaped)| escaped)),
            other => text.push(other),
        }
    }
    (Field::Text(text), None)
}

/// Reads the last field, in which a colon needs no backslash.
fn take_all(line: &str) -> String {
    let mut text = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOGIN: Login<'static> = Login {
        host: "db.example",
        port: 5432,
        database: "bank",
        user: "teller",
    };

    fn of(text: &str) -> Option<String> {
        password(text, LOGIN)
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        for (text, expected) in [
            ("db.example:5432:bank:teller:s3cret", Some("s3cret")),
            (
                "*:*:*:*:any\ndb.example:5432:bank:teller:later",
                Some("any"),
            ),
            (
                "db.example:5432:bank:other:no\n*:5432:*:teller:a:b",
                Some("a:b"),
            ),
            ("# *:*:*:*:comment\n\n*:*:bank:*:here\r\n", Some("here")),
            (r"*:*:*:*:back\\slash\:colon", Some(r"back\slash:colon")),
            ("*:*:*:*:", Some("")),
            (r"\*:*:*:*:escaped star is a name", None),
            ("db.example:5433:bank:teller:other port", None),
            ("db.example:5432:bank:teller", None),
            ("DB.EXAMPLE:5432:bank:teller:names are not folded", None),
            ("", None),
            ("\\", None),
        ] {
            assert_eq!(of(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_socket_is_localhost_or_its_folder() {
        let socket = Login {
            host: "/run/postgresql",
            ..LOGIN
        };
        assert_eq!(
            password("localhost:*:*:*:by name", socket).as_deref(),
            Some("by name")
        );
        let text = "/run/postgresql:*:*:*:by folder";
        assert_eq!(password(text, socket).as_deref(), Some("by folder"));
        assert_eq!(password("localhost:*:*:*:x", LOGIN), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let file = std::env::temp_dir().join(format!("neobank-pgpass-{}", std::process::id()));
        std::fs::write(&file, "*:*:*:*:s3cret").unwrap();
        for (mode, expected) in [(0o600, Some("s3cret")), (0o640, None), (0o604, None)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = find(&file, LOGIN);
            assert_eq!(found.as_ref().map(Secret::expose), expected, "{mode:o}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(find(&file, LOGIN).is_none());
        assert!(find(&std::env::temp_dir(), LOGIN).is_none());
    }

    /// Escapes a field as `psql`'s users do: a backslash before every colon and backslash.
    fn written(field: &str) -> String {
        field.replace('\\', r"\\").replace(':', r"\:")
    }

    proptest! {
        #[test]
        fn any_login_finds_the_password_that_was_written_for_it(
            host in "[^\r\n\0#/*][^\r\n\0]{0,8}", port in 1_u16.., database in "[^\r\n\0]{2,9}",
            user in "[^\r\n\0]{2,9}", secret in "[^\r\n\0]{0,12}", noise in "[^\r\0]{0,30}",
        ) {
            let login = Login { host: &host, port, database: &database, user: &user };
            let line = [&host, &port.to_string(), &database, &user, &secret]
                .map(|field| written(field))
                .join(":");
            prop_assert_eq!(password(&line, login), Some(secret.clone()));
            let text = format!("other:1:x:y:z\n{line}\n{noise}");
            prop_assert_eq!(password(&text, login), Some(secret));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = of(&text);
        }
    }
}
