//! Subjects as metrics, in the text format of OpenMetrics, which Prometheus reads.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use neobank_ops::checks::Subject;
use neobank_ops::live::{CountersRow, PoolSampleRow};
use neobank_ops::replication::ReplicationRow;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::commands::ops::SubjectView;

type Labels = Vec<(&'static str, String)>;
type FloatGauge = Gauge<f64, AtomicU64>;

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus' text format 0.0.4, which every scraper reads.
    Text,
    /// OpenMetrics 1.0.0, for clients that request it.
    OpenMetrics,
}

impl Format {
    /// Returns the format that an `Accept` header prefers; the text format where it names neither.
    pub(super) fn accepted(accept: Option<&str>) -> Self {
        let quality = |wanted: &str| {
            let ranges = accept.unwrap_or_default().split(',');
            ranges
                .filter_map(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
                    let weight = parts
                        .find_map(|part| part.strip_prefix("q="))
                        .map_or(Some(1.0), |weight| weight.parse::<f64>().ok());
                    is_wanted.then_some(weight).flatten()
                })
                .fold(0.0, f64::max)
        };
        let open_metrics = quality("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= quality("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// Returns the format's media type.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Converts a text of OpenMetrics to this format. In the text format 0.0.4 a counter's family
    /// has the name of its sample, and there is no end mark and no unit.
    pub(super) fn of_open_metrics(self, text: String) -> String {
        if self == Self::OpenMetrics {
            return text;
        }
        let counters: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
            .map(str::to_owned)
            .collect();
        let mut plain = String::with_capacity(text.len());
        for line in text.lines() {
            let renamed = ["# HELP ", "# TYPE "].into_iter().find_map(|start| {
                let (name, rest) = line.strip_prefix(start)?.split_once(' ')?;
                let is_counter = counters.iter().any(|counter| counter == name);
                is_counter.then(|| format!("{start}{name}_total {rest}"))
            });
            if line == "# EOF" || line.starts_with("# UNIT ") {
                continue;
            }
            plain.push_str(renamed.as_deref().unwrap_or(line));
            plain.push('\n');
        }
        plain
    }
}

/// Counts of scrapes and their failures.
#[derive(Clone, Debug, Default)]
pub(super) struct Scrapes {
    pub(super) total: Counter,
    pub(super) failed: Counter,
}

/// The figures of one scrape.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) server_version: String,
    /// None where the role may not read them.
    pub(super) counters: Option<CountersRow>,
    /// Empty for a server without replication.
    pub(super) replication: Vec<ReplicationRow>,
    /// The newest sample of each pool.
    pub(super) pools: Vec<PoolSampleRow>,
    pub(super) subjects: Vec<SubjectView>,
}

/// Returns the text of one scrape. Without figures, the database did not respond: `neobank_up` is 0
/// and the other metrics are absent, so that an old figure is never reported as a new one.
pub(super) fn text(
    reading: Option<&Reading>,
    scrapes: &Scrapes,
    took: Duration,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("neobank");
    register(
        &mut registry,
        "up",
        "1 when the database responded",
        f64::from(u8::from(reading.is_some())),
    );
    register(
        &mut registry,
        "scrape_duration_seconds",
        "Duration of the scrape",
        took.as_secs_f64(),
    );
    registry.register("scrapes", "Scrapes so far", scrapes.total.clone());
    registry.register(
        "scrape_failures",
        "Scrapes in which the database did not respond, or not in time",
        scrapes.failed.clone(),
    );
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    labelled(
        &mut registry,
        "build_info",
        "1, with the version of this program",
        [(version, 1.0)],
    );
    if let Some(reading) = reading {
        register_reading(&mut registry, reading);
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn register_reading(registry: &mut Registry, reading: &Reading) {
    let version = vec![("version", reading.server_version.clone())];
    labelled(
        registry,
        "server_info",
        "1, with the version of the server",
        [(version, 1.0)],
    );
    if let Some(counters) = &reading.counters {
        count_up(registry, counters);
    }
    labelled(
        registry,
        "sessions",
        "Sessions by database, application and state",
        sessions(&reading.subjects),
    );
    replicate(registry, &reading.replication);
    pool(registry, &reading.pools);
    consume(registry, &reading.subjects);
    states(registry, &reading.subjects);
    for measurement in reading
        .subjects
        .iter()
        .flat_map(|view| view.verdict.measurements())
    {
        register(
            registry,
            measurement.metric.exported_name,
            measurement.metric.description.trim_end_matches('.'),
            measurement.value_in_base_units(),
        );
    }
}

/// Registers the lag of each standby, and the server's own lag when the server is a standby.
fn replicate(registry: &mut Registry, rows: &[ReplicationRow]) {
    let of = |value: fn(&ReplicationRow) -> Option<f64>| {
        let mut worst = BTreeMap::<String, f64>::new();
        for row in rows {
            // Standbys may share a name; the greatest lag counts.
            let name = row.standby.as_deref().unwrap_or("this server");
            let name: String = name.chars().take(LABEL_MAX).collect();
            if let Some(value) = value(row) {
                let known = worst.entry(name).or_insert(value);
                *known = known.max(value);
            }
        }
        let labels = |name| vec![("standby", name)];
        worst
            .into_iter()
            .map(move |(name, value)| (labels(name), value))
            .collect::<Vec<_>>()
    };
    labelled(
        registry,
        "replication_lag_bytes",
        "Bytes of the log that a standby has not replayed",
        of(|row| row.lag_bytes.map(float)),
    );
    labelled(
        registry,
        "replication_lag_seconds",
        "The time by which a standby replays later than its primary commits",
        of(|row| row.lag_seconds),
    );
}

/// The greatest number of consumers of events with figures of their own, those with the longest lag.
const CONSUMERS_MAX: usize = 100;

/// Registers the lag of each consumer of events.
fn consume(registry: &mut Registry, subjects: &[SubjectView]) {
    let rows = subjects
        .iter()
        .find(|view| view.subject == Subject::Sealing)
        .and_then(|view| view.data.pointer("/consumers/value")?.as_array());
    let of = |figure: &str| {
        let mut longest = BTreeMap::<String, f64>::new();
        for row in rows.into_iter().flatten().take(CONSUMERS_MAX) {
            let name = row.get("consumer_name").and_then(serde_json::Value::as_str);
            let value = row.get(figure).and_then(serde_json::Value::as_f64);
            let (Some(name), Some(value)) = (name, value) else {
                continue;
            };
            // Two names that are cut to one label share a series; the longer lag counts.
            let name: String = name.chars().take(LABEL_MAX).collect();
            let known = longest.entry(name).or_insert(value);
            *known = known.max(value);
        }
        let labels = |name| vec![("consumer", name)];
        longest
            .into_iter()
            .map(move |(name, value)| (labels(name), value))
            .collect::<Vec<_>>()
    };
    labelled(
        registry,
        "event_consumer_lag_seconds",
        "The time since the first event was sealed that a consumer has not processed",
        of("waiting_seconds"),
    );
    labelled(
        registry,
        "event_consumer_waiting_events",
        "Sealed events that a consumer has not processed",
        of("waiting_events"),
    );
}

/// Registers the newest sample of each pool.
#[allow(clippy::float_arithmetic, reason = "figures, no money")]
fn pool(registry: &mut Registry, rows: &[PoolSampleRow]) {
    let name = |row: &PoolSampleRow| {
        let name: String = row.pool_name.chars().take(LABEL_MAX).collect();
        vec![("pool", name)]
    };
    let connections = rows.iter().flat_map(|row| {
        [("active", row.server_active), ("idle", row.server_idle)].map(|(state, number)| {
            let mut labels = name(row);
            labels.push(("state", state.to_owned()));
            (labels, f64::from(number))
        })
    });
    labelled(
        registry,
        "pool_connections",
        "Connections of a pool by state, in its newest sample",
        connections,
    );
    labelled(
        registry,
        "pool_callers",
        "Callers that hold or wait for a connection of a pool, in its newest sample",
        rows.iter()
            .map(|row| (name(row), f64::from(row.client_connections))),
    );
    labelled(
        registry,
        "pool_longest_wait_seconds",
        "The longest wait for a connection between the two newest samples of a pool",
        rows.iter()
            .map(|row| (name(row), float(row.max_wait_ms) / 1000.0)),
    );
    let statements = Family::<Labels, Counter>::default();
    for row in rows {
        let number = u64::try_from(row.total_requests).unwrap_or_default();
        // Two names that are cut to one label share a series.
        statements.get_or_create(&name(row)).inc_by(number);
    }
    registry.register(
        "pool_statements",
        "Statements that a pool has run since it was started",
        statements,
    );
}

/// Converts a figure, exactly up to 2⁵³.
#[allow(clippy::cast_precision_loss, reason = "a figure, no money")]
const fn float(number: i64) -> f64 {
    number as f64
}

/// Registers the server's own counters of all databases; Prometheus computes the rates.
fn count_up(registry: &mut Registry, counters: &CountersRow) {
    for (name, help, value) in [
        (
            "transactions_committed",
            "Transactions that were committed",
            counters.commits,
        ),
        (
            "transactions_rolled_back",
            "Transactions that were rolled back",
            counters.rollbacks,
        ),
        (
            "rows_written",
            "Rows inserted, updated and deleted",
            counters.rows_written,
        ),
        (
            "blocks_read",
            "Blocks that were not in the server's buffers",
            counters.blocks_read,
        ),
        (
            "blocks_hit",
            "Blocks that were in the server's buffers",
            counters.blocks_hit,
        ),
        (
            "deadlocks_ended",
            "Deadlocks that the server ended",
            counters.deadlocks,
        ),
        (
            "temporary_bytes",
            "Bytes written to temporary files",
            counters.temporary_bytes,
        ),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(u64::try_from(value).unwrap_or_default());
        registry.register(name, help, counter);
    }
}

/// The greatest number of applications with labels of their own; sessions of the others are counted
/// as `other`.
const APPLICATIONS_MAX: usize = 50;

/// The greatest length of a label, in characters.
const LABEL_MAX: usize = 63;

/// Counts sessions by database, application and state, the largest applications first.
fn sessions(subjects: &[SubjectView]) -> Vec<(Labels, f64)> {
    const STATES: [&str; 5] = ["active", "idle", "idle_in_transaction", "aborted", "other"];
    let rows = subjects
        .iter()
        .find(|view| view.subject == Subject::Connections)
        .and_then(|view| view.data.pointer("/analysis/value")?.as_array());
    let mut sums = BTreeMap::<(String, String), [u32; STATES.len()]>::new();
    for row in rows.into_iter().flatten() {
        let text = |name: &str| {
            let text = row.get(name).and_then(serde_json::Value::as_str);
            text.unwrap_or_default().chars().take(LABEL_MAX).collect()
        };
        let sum = sums
            .entry((text("database"), text("application_name")))
            .or_default();
        for (sum, state) in sum.iter_mut().zip(STATES) {
            let count = row.get(state).and_then(serde_json::Value::as_u64);
            let count = u32::try_from(count.unwrap_or_default()).unwrap_or(u32::MAX);
            *sum = sum.saturating_add(count);
        }
    }
    let total = |counts: &[u32; STATES.len()]| counts.iter().copied().map(u64::from).sum::<u64>();
    let mut largest: Vec<_> = sums.into_iter().collect();
    largest.sort_by_key(|(_, counts)| std::cmp::Reverse(total(counts)));
    let mut shown = BTreeMap::<(String, String), [u32; STATES.len()]>::new();
    for (number, (names, counts)) in largest.into_iter().enumerate() {
        let names = if number < APPLICATIONS_MAX {
            names
        } else {
            ("other".to_owned(), "other".to_owned())
        };
        for (sum, count) in shown.entry(names).or_default().iter_mut().zip(counts) {
            *sum = sum.saturating_add(count);
        }
    }
    let of_state = |(names, counts): ((String, String), [u32; STATES.len()])| {
        STATES.into_iter().zip(counts).map(move |(state, count)| {
            let labels = vec![
                ("database", names.0.clone()),
                ("application", names.1.clone()),
                ("state", state.to_owned()),
            ];
            (labels, f64::from(count))
        })
    };
    shown.into_iter().flat_map(of_state).collect()
}

fn states(registry: &mut Registry, subjects: &[SubjectView]) {
    let label = |view: &SubjectView| vec![("section", view.subject.name().to_owned())];
    labelled(
        registry,
        "section_available",
        "1 when the section has a result",
        subjects.iter().map(|view| {
            let is_available = view.unknown().is_none();
            (label(view), f64::from(u8::from(is_available)))
        }),
    );
    labelled(
        registry,
        "section_state",
        "0 ok, 1 warning, 2 critical, 3 unknown",
        subjects
            .iter()
            .map(|view| (label(view), f64::from(view.verdict.severity.code()))),
    );
}

fn labelled(
    registry: &mut Registry,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels, f64)>,
) {
    let family = Family::<Labels, FloatGauge>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    registry.register(name, help, family);
}

fn register(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = FloatGauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

#[cfg(test)]
mod tests {
    use neobank_ops::checks::{SectionVerdict, Threshold, Verdict};
    use neobank_ops::{Cause, Section};

    use super::*;

    /// Builds a subject whose first metric has this value.
    fn view(subject: Subject, value: f64) -> SubjectView {
        let metric = subject.metrics()[0];
        let measurement = metric.of(value).warning(Threshold::from(1.0));
        let section = SectionVerdict::new(subject.name(), subject.title(), "", vec![measurement]);
        of_section(subject, section)
    }

    fn of_section(subject: Subject, section: SectionVerdict) -> SubjectView {
        SubjectView {
            subject,
            data: serde_json::Value::Null,
            blocks: Vec::new(),
            charts: Vec::new(),
            verdict: Verdict::new(subject, vec![section]),
        }
    }

    #[test]
    fn metrics_contain_figures_and_states() {
        let missing = Section::<u8>::not_available(Cause::Missing, "not installed");
        let reason = missing.reason().unwrap().clone();
        let missing = SectionVerdict::not_available("bloat", "Bloat", reason);
        let mut sealing = view(Subject::Sealing, 0.5);
        sealing.data = serde_json::json!({ "consumers": { "value": [
            { "consumer_name": "mail", "waiting_events": 4, "waiting_seconds": 1.5 },
            { "consumer_name": "push", "waiting_events": 0, "waiting_seconds": 0.0 },
        ] } });
        let subjects = vec![
            sealing,
            view(Subject::Locks, 2.5),
            of_section(Subject::Bloat, missing),
        ];
        let mut counters = CountersRow::default();
        counters.commits = 7;
        let reading = Reading {
            server_version: "18.1".to_owned(),
            counters: Some(counters),
            replication: vec![],
            pools: vec![],
            subjects,
        };
        let text = text(
            Some(&reading),
            &Scrapes::default(),
            Duration::from_millis(20),
        )
        .unwrap();
        for line in [
            "neobank_up 1.0",
            "neobank_locks_longest_wait_seconds 2.5",
            "neobank_sealing_lag_seconds 0.5",
            "neobank_event_consumer_lag_seconds{consumer=\"mail\"} 1.5",
            "neobank_event_consumer_waiting_events{consumer=\"mail\"} 4.0",
            "neobank_event_consumer_waiting_events{consumer=\"push\"} 0.0",
            "neobank_section_state{section=\"locks\"} 1.0",
            "neobank_section_state{section=\"bloat\"} 3.0",
            "neobank_section_available{section=\"bloat\"} 0.0",
            "neobank_scrapes_total 0",
            "neobank_transactions_committed_total 7",
            "neobank_server_info{version=\"18.1\"} 1.0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn unreachable_database_has_no_figures() {
        let text = text(None, &Scrapes::default(), Duration::ZERO).unwrap();
        assert!(text.contains("neobank_up 0.0"), "{text}");
        assert!(!text.contains("locks"), "{text}");
    }

    #[test]
    fn format_follows_the_accept_header() {
        for (accept, format) in [
            (None, Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/plain; version=0.0.4"), Format::Text),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;\
                     q=0.5,*/*;q=0.1",
                ),
                Format::OpenMetrics,
            ),
            (
                Some("application/openmetrics-text;q=0.2, text/plain;q=0.9"),
                Format::Text,
            ),
            (Some("application/openmetrics-text;q=0"), Format::Text),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn text_format_names_a_counter_as_its_sample() {
        let text = text(None, &Scrapes::default(), Duration::ZERO).unwrap();
        let plain = Format::Text.of_open_metrics(text);
        assert!(
            plain.contains("# TYPE neobank_scrapes_total counter\n"),
            "{plain}"
        );
        assert!(plain.contains("# TYPE neobank_up gauge\n"), "{plain}");
        assert!(!plain.contains("# EOF"), "{plain}");
    }

    #[test]
    fn applications_beyond_the_limit_share_a_label() {
        let row = |number: usize| {
            serde_json::json!({
                "database": "bank", "application_name": format!("app{number}"),
                "active": 1, "idle": if number == 7 { 3 } else { 0 },
            })
        };
        let rows: Vec<_> = (0..200).map(row).collect();
        let mut view = view(Subject::Connections, 1.0);
        view.data = serde_json::json!({ "analysis": { "value": rows } });
        let found = sessions(&[view]);
        assert_eq!(found.len(), (APPLICATIONS_MAX + 1) * 5);
        let of = |application: &str, state: &str| {
            let is_it = |labels: &Labels| labels[1].1 == application && labels[2].1 == state;
            found
                .iter()
                .find(|(labels, _)| is_it(labels))
                .map(|(_, value)| *value)
        };
        assert_eq!(of("app7", "idle"), Some(3.0));
        assert_eq!(of("other", "active"), Some(150.0));
    }
}
