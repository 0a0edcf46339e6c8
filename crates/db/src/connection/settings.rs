//! The settings that each session of a pool starts with.

use std::time::Duration;

use crate::config::DatabaseConfig;

/// What every session of a pool sets as it starts, so that no default of the server, the database
/// or the role changes what the same statement does.
pub(crate) fn session_settings(config: &DatabaseConfig) -> [(&'static str, String); 9] {
    let limit = |duration: Duration| duration.as_millis().to_string();
    [
        // Nothing that a pool is for is worth compiling, and where a database or a role makes the
        // server believe that it is, each statement takes a second.
        ("jit", "off".to_owned()),
        ("statement_timeout", limit(config.statement_timeout)),
        ("lock_timeout", limit(config.lock_timeout)),
        (
            "idle_in_transaction_session_timeout",
            limit(config.idle_in_transaction_timeout),
        ),
        // The pool closes its idle connections itself; the server would do it below a statement.
        ("idle_session_timeout", "0".to_owned()),
        ("default_transaction_isolation", "read committed".to_owned()),
        // The server tells by a warning that a standby has not confirmed a commit.
        ("client_min_messages", "notice".to_owned()),
        ("standard_conforming_strings", "on".to_owned()),
        // Else a rejected statement ends the session.
        ("exit_on_error", "off".to_owned()),
    ]
}

/// The same as the server's command line options, and the role.
pub(crate) fn session_options(config: &DatabaseConfig) -> String {
    let mut options = String::new();
    let mut settings = session_settings(config).to_vec();
    settings.extend(config.role.clone().map(|role| ("role", role)));
    for (name, value) in settings {
        let separator = if options.is_empty() { "" } else { " " };
        options.push_str(&format!("{separator}-c {name}="));
        for character in value.chars() {
            if character.is_whitespace() || character == '\\' {
                options.push('\\');
            }
            options.push(character);
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_keep_blanks_and_backslashes_in_values() {
        let config = DatabaseConfig::from_url("postgresql://a@localhost/b").unwrap();
        let options = session_options(&config.with_role(r"a b\c"));
        assert!(options.contains(r"default_transaction_isolation=read\ committed"));
        assert!(options.ends_with(r"-c role=a\ b\\c"), "{options}");
    }
}
