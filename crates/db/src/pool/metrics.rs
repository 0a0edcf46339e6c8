//! The metrics of a pool, under OpenTelemetry's names.

use std::fmt::Write;
use std::time::Duration;

use super::histogram::Durations;
use super::monitor::Counted;
use crate::config::DatabaseConfig;
use crate::database::PoolStatus;
use crate::retry::RetryCount;

/// The metrics of a pool: totals since it was opened, and its present state.
///
/// The names and units are those of OpenTelemetry's semantic conventions for database client
/// connections (`db.client.connection.*`, in development as of version 1.30). The values are
/// available as fields, as a list for any metrics library ([`PoolMetrics::measurements`]), and in
/// Prometheus' text format ([`PoolMetrics::to_prometheus`]).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// The name of the pool: the configuration's `application_name`.
    pub pool_name: String,
    /// `db.client.connection.count` in the state `used`.
    pub used: usize,
    /// `db.client.connection.count` in the state `idle`.
    pub idle: usize,
    /// `db.client.connection.max`: the size in force, in connections.
    pub max: usize,
    /// `db.client.connection.idle.min`: the configuration's `pool_min`.
    pub idle_min: usize,
    /// `db.client.connection.idle.max`: the size in force, because no connection is closed before
    /// `idle_timeout`.
    pub idle_max: usize,
    /// `db.client.connection.pending_requests`: the number of callers that wait.
    pub pending_requests: usize,
    /// `db.client.connection.timeouts`: the number of callers that timed out or were rejected.
    pub timeouts: u64,
    /// `db.client.connection.create_time`: the time to open a connection.
    pub create_time: Durations,
    /// `db.client.connection.wait_time`: the time that callers waited, those that timed out
    /// included.
    pub wait_time: Durations,
    /// `db.client.connection.use_time`: the time from a checkout to the return.
    pub use_time: Durations,
    /// The number of statements that were sent.
    pub statements: u64,
    /// The sum of the times of all statements, from sending to the answer.
    pub statement_time: Duration,
    /// The retries and failures of transactions, by name and SQLSTATE.
    pub retries: Vec<RetryCount>,
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// The name, such as `db.client.connection.count`.
    pub name: &'static str,
    /// The unit as OpenTelemetry writes it, such as `{connection}` or `s`.
    pub unit: &'static str,
    /// `db.client.connection.state`: `used` or `idle`. Only the count of connections has it.
    pub state: Option<&'static str>,
    /// The value, by the kind of the metric.
    pub value: MeasuredValue,
}

/// The value of a metric, by its kind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MeasuredValue {
    /// A value that goes up and down.
    Gauge(u64),
    /// A value that only goes up.
    Counter(u64),
    /// A distribution of durations.
    Histogram(Durations),
}

impl PoolMetrics {
    pub(crate) fn new(
        config: &DatabaseConfig,
        status: &PoolStatus,
        counted: Counted,
        retries: Vec<RetryCount>,
    ) -> Self {
        Self {
            pool_name: config.application_name.clone(),
            used: status.open.saturating_sub(status.idle),
            idle: status.idle,
            max: status.size,
            idle_min: config.pool_min,
            idle_max: status.size,
            pending_requests: status.waiting,
            timeouts: counted.timeouts,
            create_time: counted.creates,
            wait_time: counted.waits,
            use_time: counted.use_times,
            statements: counted.statements,
            statement_time: counted.statement_time,
            retries,
        }
    }

    /// Returns every metric under its OpenTelemetry name. All have the attribute
    /// `db.client.connection.pool.name`, whose value is [`PoolMetrics::pool_name`].
    #[must_use]
    pub fn measurements(&self) -> Vec<Measurement> {
        let gauge = |name, unit, state, value: usize| Measurement {
            name,
            unit,
            state,
            value: MeasuredValue::Gauge(value as u64),
        };
        let histogram = |name, durations: &Durations| Measurement {
            name,
            unit: "s",
            state: None,
            value: MeasuredValue::Histogram(durations.clone()),
        };
        vec![
            gauge(
                "db.client.connection.count",
                "{connection}",
                Some("used"),
                self.used,
            ),
            gauge(
                "db.client.connection.count",
                "{connection}",
                Some("idle"),
                self.idle,
            ),
            gauge("db.client.connection.max", "{connection}", None, self.max),
            gauge(
                "db.client.connection.idle.min",
                "{connection}",
                None,
                self.idle_min,
            ),
            gauge(
                "db.client.connection.idle.max",
                "{connection}",
                None,
                self.idle_max,
            ),
            gauge(
                "db.client.connection.pending_requests",
                "{request}",
                None,
                self.pending_requests,
            ),
            Measurement {
                name: "db.client.connection.timeouts",
                unit: "{timeout}",
                state: None,
                value: MeasuredValue::Counter(self.timeouts),
            },
            histogram("db.client.connection.create_time", &self.create_time),
            histogram("db.client.connection.wait_time", &self.wait_time),
            histogram("db.client.connection.use_time", &self.use_time),
        ]
    }

    /// Returns the metrics in Prometheus' text format: dots become underscores, durations are in
    /// seconds, counters end in `_total`. Includes `neobank_transaction_retries_total` and
    /// `neobank_transaction_failures_total` by the transaction's name and the SQLSTATE.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut text = String::new();
        let mut described = "";
        let pool = escaped(&self.pool_name);
        for measurement in self.measurements() {
            let name = measurement.name.replace('.', "_");
            let labels = match measurement.state {
                Some(state) => format!(
                    "db_client_connection_pool_name=\"{pool}\",db_client_connection_state=\"{state}\""
                ),
                None => format!("db_client_connection_pool_name=\"{pool}\""),
            };
            let is_new = described != measurement.name;
            described = measurement.name;
            // Writing to a string cannot fail.
            let _ = match measurement.value {
                MeasuredValue::Gauge(value) => {
                    describe(&mut text, is_new, &name, "gauge");
                    writeln!(text, "{name}{{{labels}}} {value}")
                }
                MeasuredValue::Counter(value) => {
                    describe(&mut text, is_new, &format!("{name}_total"), "counter");
                    writeln!(text, "{name}_total{{{labels}}} {value}")
                }
                MeasuredValue::Histogram(durations) => {
                    let name = format!("{name}_seconds");
                    describe(&mut text, is_new, &name, "histogram");
                    write_histogram(&mut text, &name, &labels, &durations)
                }
            };
        }
        self.write_retries(&mut text, &pool);
        text
    }

    fn write_retries(&self, text: &mut String, pool: &str) {
        let mut write = |name: &str, value: fn(&RetryCount) -> u64| {
            describe(text, !self.retries.is_empty(), name, "counter");
            for count in &self.retries {
                let _ = writeln!(
                    text,
                    "{name}{{db_client_connection_pool_name=\"{pool}\",transaction=\"{}\",sqlstate=\"{}\"}} {}",
                    escaped(count.transaction),
                    escaped(&count.sqlstate),
                    value(count)
                );
            }
        };
        write("neobank_transaction_retries_total", |count| count.retries);
        write("neobank_transaction_failures_total", |count| count.failures);
    }
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// The bounds of Prometheus' buckets. They are constant, because Prometheus adds buckets up by
/// bound.
const BOUNDS_MILLISECONDS: [u64; 13] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

fn write_histogram(
    text: &mut String,
    name: &str,
    labels: &str,
    durations: &Durations,
) -> std::fmt::Result {
    let cumulative: Vec<_> = durations.cumulative().collect();
    for bound in BOUNDS_MILLISECONDS.map(Duration::from_millis) {
        let count = cumulative
            .iter()
            .take_while(|(upper, _)| *upper <= bound)
            .last()
            .map_or(0, |(_, count)| *count);
        writeln!(
            text,
            "{name}_bucket{{{labels},le=\"{}\"}} {count}",
            bound.as_secs_f64()
        )?;
    }
    let count = durations.count();
    writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}")?;
    writeln!(
        text,
        "{name}_sum{{{labels}}} {}",
        durations.sum().as_secs_f64()
    )?;
    writeln!(text, "{name}_count{{{labels}}} {count}")
}

fn describe(text: &mut String, is_new: bool, name: &str, kind: &str) {
    if is_new {
        let _ = writeln!(text, "# TYPE {name} {kind}");
    }
}
