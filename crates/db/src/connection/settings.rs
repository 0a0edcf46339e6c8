//! The settings that each session of a pool starts with.

use std::time::Duration;

use crate::config::DatabaseConfig;

/// Returns the settings of every session of a pool. They keep defaults of the server, the database
/// or the role from changing the effect of a statement.
pub(crate) fn session_settings(config: &DatabaseConfig) -> [(&'static str, String); 9] {
    let limit = |duration: Duration| duration.as_millis().to_string();
    [
        // The statements of a pool are too short for compilation. Where settings of a database or a
        // role make the planner compile them, each takes a second.
        ("jit", "off".to_owned()),
        ("statement_timeout", limit(config.statement_timeout)),
        ("lock_timeout", limit(config.lock_timeout)),
        (
            "idle_in_transaction_session_timeout",
            limit(config.idle_in_transaction_timeout),
        ),
        // The pool closes its idle connections itself; the server would close one just before a
        // statement.
        ("idle_session_timeout", "0".to_owned()),
        ("default_transaction_isolation", "read committed".to_owned()),
        // The server reports a commit that no standby confirmed by a warning.
        ("client_min_messages", "notice".to_owned()),
        ("standard_conforming_strings", "on".to_owned()),
        // Otherwise a rejected statement ends the session.
        ("exit_on_error", "off".to_owned()),
    ]
}

/// Returns the same settings and the role as command line options of the server.
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
