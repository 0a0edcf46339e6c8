//! Settings of the server, the database or the role that endanger what is read or written.

use std::time::Duration;

use rust_decimal::Decimal;
use serde::Serialize;
use tokio_postgres::types::{ToSql, Type};

use super::Connection;
use super::settings::session_settings;
use crate::config::{DatabaseConfig, Pooler};
use crate::error::DatabaseError;

/// A setting of the server, the database or the role that endangers what is read or written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HostileSetting {
    /// The name of the setting, such as `fsync`.
    pub name: String,
    /// The value of the setting.
    pub value: String,
    /// The source of the value: a source of `pg_settings`, or the command that set it.
    pub source: String,
    /// The severity of the harm.
    pub harm: Harm,
    /// The effect of the setting, for people.
    pub consequence: String,
}

/// The severity of the harm that a setting does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Harm {
    /// Calls fail or are cut short; nothing that was acknowledged is lost.
    Availability,
    /// A crash can lose acknowledged transactions, or corrupt the database.
    Durability,
    /// Reads return wrong data, or writes bypass the constraints. The pool is not opened.
    Truth,
}

impl std::fmt::Display for HostileSetting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            value,
            source,
            consequence,
            ..
        } = self;
        write!(formatter, "{name} = {value} ({source}): {consequence}")
    }
}

/// The settings that [`hostile_setting`] knows.
pub const HOSTILE_SETTINGS: [&str; 8] = [
    "session_replication_role",
    "zero_damaged_pages",
    "ignore_checksum_failure",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "default_transaction_read_only",
    "transaction_timeout",
];

/// Returns the harm and the effect of a setting's value; `None` for a harmless one. Values are read
/// as the server reads them: `off`, `false`, `0`; `5ms`, `1min`, a number of milliseconds. A
/// timeout is harmful when it is shorter than `shortest`.
#[must_use]
pub fn hostile_setting(
    name: &str,
    value: &str,
    shortest: Duration,
) -> Option<(Harm, &'static str)> {
    let found = match name {
        "session_replication_role" => (value.trim().eq_ignore_ascii_case("replica"), TRIGGERS_OFF),
        "zero_damaged_pages" => (boolean(value) == Some(true), PAGES_ZEROED),
        "ignore_checksum_failure" => (boolean(value) == Some(true), CHECKSUMS_IGNORED),
        "fsync" => (boolean(value) == Some(false), FSYNC_OFF),
        "full_page_writes" => (boolean(value) == Some(false), TORN_PAGES),
        "synchronous_commit" => (boolean(value) == Some(false), ASYNCHRONOUS),
        "default_transaction_read_only" => (boolean(value) == Some(true), READ_ONLY),
        "transaction_timeout" => (
            milliseconds(value).is_some_and(|limit| is_shorter(limit, shortest)),
            TRANSACTIONS_CUT,
        ),
        _ => return None,
    };
    found.0.then_some(found.1)
}

const TRIGGERS_OFF: (Harm, &str) = (
    Harm::Truth,
    "ordinary triggers and foreign keys do not fire, so that what is written is not guarded",
);

const PAGES_ZEROED: (Harm, &str) = (
    Harm::Truth,
    "a damaged page is read as an empty one, and its rows are lost without an error",
);

const CHECKSUMS_IGNORED: (Harm, &str) = (Harm::Truth, "damaged data is read as if it were sound");

const FSYNC_OFF: (Harm, &str) = (
    Harm::Durability,
    "a crash of the machine loses what was acknowledged, and can damage the database",
);

const TORN_PAGES: (Harm, &str) = (
    Harm::Durability,
    "a crash of the machine can leave half-written pages, which no recovery mends",
);

const ASYNCHRONOUS: (Harm, &str) = (
    Harm::Durability,
    "a crash of the server loses what was acknowledged a moment before; transfers are safe, since \
     posting sets it to on",
);

const READ_ONLY: (Harm, &str) = (
    Harm::Availability,
    "a statement that writes outside of a transaction is rejected",
);

const TRANSACTIONS_CUT: (Harm, &str) = (
    Harm::Availability,
    "the server ends a longer transaction together with its connection",
);

const NOT_IN_FORCE: (Harm, &str) = (
    Harm::Availability,
    "the connection asked for another value, which something between here and the server dropped",
);

const BEFORE_ITS_TIME: (Harm, &str) = (
    Harm::Availability,
    "behind a transaction pooler it cuts off the statement that sets a transaction's own limits",
);

/// The result of the inspection of a server.
#[derive(Debug)]
pub(crate) struct ServerInspection {
    /// The process that answered. Behind a pooler it differs from the announced one.
    pub(crate) process_id: i32,
    pub(crate) hostile: Vec<HostileSetting>,
}

/// Queries everything that a pool must know of its server, in one round trip.
pub(crate) async fn inspect_settings(
    connection: &Connection,
    config: &DatabaseConfig,
) -> Result<ServerInspection, tokio_postgres::Error> {
    const ASK: &str = "SELECT pg_catalog.pg_backend_pid(), name, setting, source
        FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) ANY ($1)";
    let own = session_settings(config);
    let names: Vec<&str> = HOSTILE_SETTINGS
        .into_iter()
        .chain(own.iter().map(|(name, _)| *name))
        .collect();
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&names, Type::TEXT_ARRAY)];
    let rows = connection.client().query_typed(ASK, &parameters).await?;
    let mut inspection = ServerInspection {
        process_id: 0,
        hostile: Vec::new(),
    };
    for row in &rows {
        inspection.process_id = row.try_get(0)?;
        let name: &str = row.try_get(1)?;
        let (value, source): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
        if let Some((harm, consequence)) = judge(name, value, config) {
            inspection.hostile.push(HostileSetting {
                name: name.to_owned(),
                value: shown(name, value),
                source: source.to_owned(),
                harm,
                consequence: consequence.to_owned(),
            });
        }
    }
    inspection
        .hostile
        .sort_by(|one, other| other.harm.cmp(&one.harm).then(one.name.cmp(&other.name)));
    Ok(inspection)
}

fn judge(name: &str, value: &str, config: &DatabaseConfig) -> Option<(Harm, &'static str)> {
    let own = session_settings(config);
    let Some((_, wanted)) = own.iter().find(|(own, _)| *own == name) else {
        return hostile_setting(name, value, config.statement_timeout);
    };
    match config.pooler {
        Pooler::None => (value != wanted).then_some(NOT_IN_FORCE),
        // Each transaction sets its limits as it begins; the statements before that have the
        // defaults.
        Pooler::Transaction if name == "statement_timeout" => milliseconds(value)
            .is_some_and(|limit| is_shorter(limit, SHORTEST_BEGIN))
            .then_some(BEFORE_ITS_TIME),
        Pooler::Transaction if matches!(name, "standard_conforming_strings" | "exit_on_error") => {
            (value != wanted).then_some(NOT_IN_FORCE)
        }
        Pooler::Transaction => None,
    }
}

/// The shortest sufficient limit of `BEGIN` and its settings, which take no locks and read no
/// tables.
const SHORTEST_BEGIN: Duration = Duration::from_secs(1);

/// Formats a value. A timeout in `pg_settings` is a bare number of milliseconds.
fn shown(name: &str, value: &str) -> String {
    match name.ends_with("_timeout") && value.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("{value} ms"),
        false => value.to_owned(),
    }
}

/// Rejects a server whose settings make reads or writes untrustworthy.
pub(crate) fn reject_hostile(hostile: &[HostileSetting]) -> Result<(), DatabaseError> {
    match hostile.iter().find(|setting| setting.harm == Harm::Truth) {
        Some(setting) => Err(DatabaseError::HostileSetting(Box::new(setting.clone()))),
        None => Ok(()),
    }
}

/// Reads a boolean as PostgreSQL does: any unambiguous prefix of its words.
fn boolean(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    if text == "1" || begins("true", 1) || begins("yes", 1) || text == "on" {
        Some(true)
    } else if text == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        Some(false)
    } else {
        None
    }
}

/// Returns true when there is a limit and it is shorter. Zero means no limit.
fn is_shorter(limit: Decimal, shortest: Duration) -> bool {
    let shortest = u64::try_from(shortest.as_millis()).unwrap_or(u64::MAX);
    limit > Decimal::ZERO && limit < Decimal::from(shortest)
}

/// Reads a timeout as PostgreSQL does: a number with its unit, or in milliseconds.
fn milliseconds(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let end = text
        .find(|character: char| !(character.is_ascii_digit() || ".+-".contains(character)))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor = match unit.trim() {
        "us" => Decimal::new(1, 3),
        "" | "ms" => Decimal::ONE,
        "s" => Decimal::from(1_000),
        "min" => Decimal::from(60_000),
        "h" => Decimal::from(3_600_000),
        "d" => Decimal::from(86_400_000),
        _ => return None,
    };
    number.parse::<Decimal>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: Duration = Duration::from_secs(30);

    fn harm(name: &str, value: &str) -> Option<Harm> {
        hostile_setting(name, value, SHORTEST).map(|(harm, _)| harm)
    }

    #[test]
    fn each_setting_has_its_harm() {
        for (name, harmful, harmless, expected) in [
            ("session_replication_role", "replica", "local", Harm::Truth),
            ("zero_damaged_pages", "on", "off", Harm::Truth),
            ("ignore_checksum_failure", "yes", "no", Harm::Truth),
            ("fsync", "false", "true", Harm::Durability),
            ("full_page_writes", "OFF", "1", Harm::Durability),
            ("synchronous_commit", "of", "local", Harm::Durability),
            (
                "default_transaction_read_only",
                "t",
                "f",
                Harm::Availability,
            ),
            ("transaction_timeout", "29s", "30000", Harm::Availability),
        ] {
            assert!(HOSTILE_SETTINGS.contains(&name));
            assert_eq!(harm(name, harmful), Some(expected), "{name}");
            assert_eq!(harm(name, harmless), None, "{name}");
        }
        assert_eq!(harm("transaction_timeout", "0"), None);
        assert_eq!(harm("work_mem", "64kB"), None);
    }

    #[test]
    fn values_are_read_as_the_server_reads_them() {
        for (text, expected) in [
            ("o", None),
            ("ON", Some(true)),
            (" tr ", Some(true)),
            ("", None),
            ("offf", None),
            ("remote_write", None),
        ] {
            assert_eq!(boolean(text), expected, "{text}");
        }
        for (text, expected) in [
            ("5", Some("5")),
            (" 1.5 s ", Some("1500")),
            ("500us", Some("0.5")),
            ("1min", Some("60000")),
            ("1 fortnight", None),
            ("žluť", None),
        ] {
            let expected = expected.map(|number| number.parse().unwrap());
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }
}
