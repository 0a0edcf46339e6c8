//! The settings of the server, its databases and its roles that endanger the data.

use std::time::Duration;

use neobank_db::{FromQueryResult, HOSTILE_SETTINGS, Harm, Statement, hostile_setting};
use serde::Serialize;

use super::verdict::HealthCheck;
use crate::checks::Severity;

/// A shorter limit than this on a transaction cuts off ordinary work.
const SHORTEST_TRANSACTION: Duration = Duration::from_secs(30);

/// A setting in force for the whole server, or a default of a role or of this database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
pub struct SettingFacts {
    /// The setting's name.
    pub name: String,
    /// The setting's value, as it was written.
    pub value: String,
    /// Where it was written: a source of `pg_settings`, or the command that set it.
    pub source: String,
}

/// The question for the settings that can do harm.
#[must_use]
pub fn statement() -> Statement {
    let names = HOSTILE_SETTINGS.map(str::to_owned).to_vec();
    neobank_db::statement(include_str!("settings.sql"), [names.into()])
}

/// A line for each setting that does harm; one line where none does.
#[must_use]
pub fn check_settings(facts: &[SettingFacts]) -> Vec<HealthCheck> {
    let mut checks: Vec<HealthCheck> = facts.iter().filter_map(check).collect();
    if checks.is_empty() {
        checks.push(HealthCheck {
            check_name: "settings".to_owned(),
            status: Severity::Ok,
            verdict: None,
            current_value: format!("none of {} does harm", HOSTILE_SETTINGS.len()),
            recommendation: "Nothing to do.".to_owned(),
        });
    }
    checks.sort_by_key(|check| std::cmp::Reverse(check.status));
    checks
}

fn check(facts: &SettingFacts) -> Option<HealthCheck> {
    let (harm, consequence) = hostile_setting(&facts.name, &facts.value, SHORTEST_TRANSACTION)?;
    // Transfers are durable whatever the default is, and a role that only reports may have it.
    let status = match harm {
        Harm::Availability => Severity::Warning,
        Harm::Durability if facts.name == "synchronous_commit" => Severity::Warning,
        _ => Severity::Critical,
    };
    let mut letters = consequence.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    Some(HealthCheck {
        check_name: format!("setting {}", facts.name),
        status,
        verdict: None,
        current_value: format!("{} ({})", facts.value, facts.source),
        recommendation: format!(
            "{}{}: set it back.",
            first.unwrap_or_default(),
            letters.as_str()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_text_is_what_was_looked_at() {
        insta::assert_snapshot!("setting_facts", readable(&statement()));
    }

    #[test]
    fn the_worst_comes_first_and_harmless_values_are_left_out() {
        let facts = |name: &str, value: &str| SettingFacts {
            name: name.to_owned(),
            value: value.to_owned(),
            source: "ALTER ROLE teller SET".to_owned(),
        };
        let harmless = facts("fsync", "on");
        assert_eq!(
            check_settings(std::slice::from_ref(&harmless))[0].status,
            Severity::Ok
        );
        let checks = check_settings(&[
            facts("synchronous_commit", "off"),
            harmless,
            facts("zero_damaged_pages", "on"),
        ]);
        let found: Vec<_> = checks
            .iter()
            .map(|check| (&*check.check_name, check.status))
            .collect();
        assert_eq!(
            found,
            [
                ("setting zero_damaged_pages", Severity::Critical),
                ("setting synchronous_commit", Severity::Warning)
            ]
        );
        assert_eq!(checks[1].current_value, "off (ALTER ROLE teller SET)");
    }
}
