//! The figures as `OpenMetrics` text, which Prometheus reads.
//!
//! | Name | Labels | Meaning |
//! |---|---|---|
//! | `neobank_up` | | 1: the server was asked; 0: it could not be, and nothing else is told |
//! | `neobank_scrape_duration_seconds` | | how long the scrape took |
//! | `neobank_section_available` | `section` | 0: the role may not ask this, or it took too long |
//! | `neobank_connections_used`, `neobank_connections_usable` | | places for connections |
//! | `neobank_sessions` | `database`, `user`, `state` | sessions; `hidden`: the role may not see their state |
//! | `neobank_oldest_transaction_seconds` | | age of the oldest transaction |
//! | `neobank_lock_waiters`, `neobank_lock_roots`, `neobank_lock_cycles` | | who waits, for how many, and in a circle |
//! | `neobank_lock_longest_wait_seconds` | | the longest wait for a lock |
//! | `neobank_commits_total`, `neobank_rollbacks_total`, `neobank_deadlocks_total`, `neobank_rows_written_total`, `neobank_blocks_read_total`, `neobank_blocks_hit_total`, `neobank_temporary_bytes_total` | | counters of all databases |
//! | `neobank_database_age_transactions` | `database` | how many transactions old its oldest row is |

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use neobank_ops::blocking::BlockingReport;
use neobank_ops::live::CountersRow;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a scrape found.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) sections: Vec<(&'static str, bool)>,
    /// Taken, and usable.
    pub(super) connections: Option<(i64, i64)>,
    pub(super) sessions: BTreeMap<SessionLabels, i64>,
    pub(super) oldest_transaction_milliseconds: Option<i64>,
    pub(super) blocking: Option<BlockingReport>,
    pub(super) counters: Option<CountersRow>,
    pub(super) database_ages: Vec<(String, i64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(super) struct SessionLabels {
    pub(super) database: String,
    pub(super) user: String,
    pub(super) state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SectionLabel {
    section: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DatabaseLabel {
    database: String,
}

type Seconds = Gauge<f64, AtomicU64>;

/// The text of a scrape; without facts, that the server is not up.
pub(super) fn text(facts: Option<&Facts>, took: Duration) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("neobank");
    gauge(
        &mut registry,
        "up",
        "1 when the server was asked",
        i64::from(facts.is_some()),
    );
    seconds(
        &mut registry,
        "scrape_duration_seconds",
        "how long the scrape took",
        took,
    );
    if let Some(facts) = facts {
        sections(&mut registry, facts);
        sessions(&mut registry, facts);
        if let Some(report) = &facts.blocking {
            blocking(&mut registry, report);
        }
        if let Some(counters) = &facts.counters {
            counted(&mut registry, counters);
        }
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge = Gauge::<i64, AtomicI64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn seconds(registry: &mut Registry, name: &str, help: &str, value: Duration) {
    let gauge = Seconds::default();
    gauge.set(value.as_secs_f64());
    registry.register(name, help, gauge);
}

fn sections(registry: &mut Registry, facts: &Facts) {
    let family = Family::<SectionLabel, Gauge>::default();
    for (section, is_there) in &facts.sections {
        let label = SectionLabel {
            section: (*section).to_owned(),
        };
        family.get_or_create(&label).set(i64::from(*is_there));
    }
    registry.register(
        "section_available",
        "0 when a part could not be asked",
        family,
    );
    if !facts.database_ages.is_empty() {
        let family = Family::<DatabaseLabel, Gauge>::default();
        for (database, age) in &facts.database_ages {
            let label = DatabaseLabel {
                database: database.clone(),
            };
            family.get_or_create(&label).set(*age);
        }
        registry.register("database_age_transactions", "age of the oldest row", family);
    }
}

fn sessions(registry: &mut Registry, facts: &Facts) {
    if let Some((used, usable)) = facts.connections {
        gauge(
            registry,
            "connections_used",
            "connections that are taken",
            used,
        );
        gauge(
            registry,
            "connections_usable",
            "connections that ordinary roles can have",
            usable,
        );
    }
    if let Some(age) = facts.oldest_transaction_milliseconds {
        let age = Duration::from_millis(u64::try_from(age).unwrap_or_default());
        seconds(
            registry,
            "oldest_transaction_seconds",
            "age of the oldest transaction",
            age,
        );
        let family = Family::<SessionLabels, Gauge>::default();
        for (labels, count) in &facts.sessions {
            family.get_or_create(labels).set(*count);
        }
        registry.register("sessions", "sessions by database, user and state", family);
    }
}

fn blocking(registry: &mut Registry, report: &BlockingReport) {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let waiters = i64::try_from(report.lock_waiters_total).unwrap_or(i64::MAX);
    gauge(
        registry,
        "lock_waiters",
        "sessions that wait for a lock",
        waiters,
    );
    gauge(
        registry,
        "lock_roots",
        "those that keep others waiting",
        number(report.roots.len()),
    );
    gauge(
        registry,
        "lock_cycles",
        "groups that wait for each other",
        number(report.cycles.len()),
    );
    let waits = report
        .participants
        .iter()
        .filter_map(|one| one.wait.as_ref()?.seconds);
    let longest = waits
        .filter_map(|wait| Duration::try_from_secs_f64(wait).ok())
        .max();
    seconds(
        registry,
        "lock_longest_wait_seconds",
        "the longest wait for a lock",
        longest.unwrap_or_default(),
    );
}

fn counted(registry: &mut Registry, counters: &CountersRow) {
    for (name, help, value) in [
        (
            "commits",
            "transactions that were committed",
            counters.commits,
        ),
        (
            "rollbacks",
            "transactions that were rolled back",
            counters.rollbacks,
        ),
        (
            "deadlocks",
            "deadlocks that the server ended",
            counters.deadlocks,
        ),
        (
            "rows_written",
            "rows inserted, updated and deleted",
            counters.rows_written,
        ),
        (
            "blocks_read",
            "blocks that were not in the buffers",
            counters.blocks_read,
        ),
        (
            "blocks_hit",
            "blocks that were in the buffers",
            counters.blocks_hit,
        ),
        (
            "temporary_bytes",
            "bytes of temporary files",
            counters.temporary_bytes,
        ),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(u64::try_from(value).unwrap_or_default());
        registry.register(name, help, counter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_answer_nothing_is_told_but_that() {
        let text = text(None, Duration::from_millis(1_500)).unwrap();
        let values: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            ["neobank_up 0", "neobank_scrape_duration_seconds 1.5"]
        );
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn hostile_names_stay_in_their_line() {
        let labels = SessionLabels {
            database: "a\"} 1\nneobank_up 0\n\\".to_owned(),
            user: "u".to_owned(),
            state: "idle".to_owned(),
        };
        let facts = Facts {
            sessions: BTreeMap::from([(labels, 7)]),
            oldest_transaction_milliseconds: Some(250),
            ..Facts::default()
        };
        let text = text(Some(&facts), Duration::ZERO).unwrap();
        assert_eq!(
            text.lines()
                .filter(|line| line.starts_with("neobank_up "))
                .count(),
            1
        );
        assert!(
            text.contains(r#"database="a\"} 1\nneobank_up 0\n\\","#),
            "{text}"
        );
        assert!(text.contains("neobank_oldest_transaction_seconds 0.25\n"));
    }
}
