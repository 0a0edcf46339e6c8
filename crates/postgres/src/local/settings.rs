//! The parameters of a server.

use std::collections::BTreeMap;

use crate::{Durability, ServerOptions};

/// Returns the parameters for the options, as arguments of the server.
pub(crate) fn arguments(options: &ServerOptions) -> Vec<String> {
    let mut settings: BTreeMap<&str, &str> = common().into_iter().collect();
    settings.extend(match options.durability {
        Durability::Durable => durable(),
        Durability::Fast => fast(),
    });
    settings.extend(
        options
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    settings
        .into_iter()
        .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
        .collect()
}

fn common() -> Vec<(&'static str, &'static str)> {
    vec![
        ("max_connections", "200"),
        // The owner reads the log from its file; a collector would write it elsewhere.
        ("logging_collector", "off"),
        ("log_destination", "stderr"),
        ("timezone", "UTC"),
    ]
}

fn durable() -> Vec<(&'static str, &'static str)> {
    vec![
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("shared_buffers", "256MB"),
    ]
}

fn fast() -> Vec<(&'static str, &'static str)> {
    vec![
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("shared_buffers", "128MB"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_precedence_over_defaults() {
        let options = ServerOptions::new()
            .setting("fsync", "off")
            .setting("max_connections", "20");
        let arguments = arguments(&options);
        for (setting, there) in [
            ("fsync=off", true),
            ("fsync=on", false),
            ("max_connections=20", true),
            ("full_page_writes=on", true),
        ] {
            assert_eq!(
                arguments.iter().any(|argument| argument == setting),
                there,
                "{setting}"
            );
        }
    }
}
