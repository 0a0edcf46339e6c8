//! The figures of the service, and their page in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

use crate::state::ServiceState;
use crate::tls::Expiry;

/// Counts of answers by the class of their status, of rejected connections, and of requests above a
/// rate.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    answers: [AtomicU64; 5],
    connections_rejected: AtomicU64,
    callers_limited: AtomicU64,
    attempts_limited: AtomicU64,
    certificate: OnceLock<Expiry>,
}

impl Metrics {
    pub(crate) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.answers.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn connection_rejected(&self) {
        self.connections_rejected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn caller_limited(&self) {
        self.callers_limited.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn attempt_limited(&self) {
        self.attempts_limited.fetch_add(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Notes that the service encrypts with a certificate.
    pub(crate) fn has_certificate(&self, expiry: &Expiry) {
        let _ = self.certificate.set(expiry.clone());
    }
}

/// A figure with its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
    pub(crate) samples: Vec<Sample>,
}

/// The kind of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A count that only grows.
    Counter,
    /// A value of now.
    Gauge,
}

/// A value of a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The names and values of labels. No value needs an escape.
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: i64,
}

impl Family {
    /// Returns a figure with one value.
    fn single(name: &'static str, kind: Kind, help: &'static str, value: u64) -> Self {
        Self {
            name,
            kind,
            help,
            samples: vec![Sample::new([], value)],
        }
    }

    fn write(&self, text: &mut String) {
        let Self { name, help, .. } = self;
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for Sample { labels, value } in &self.samples {
            let labels: Vec<_> = labels
                .iter()
                .map(|(label, value)| format!("{label}=\"{value}\""))
                .collect();
            let _ = if labels.is_empty() {
                writeln!(text, "{name} {value}")
            } else {
                writeln!(text, "{name}{{{}}} {value}", labels.join(","))
            };
        }
    }
}

impl Sample {
    pub(crate) fn new<const LABELS: usize>(
        labels: [(&'static str, String); LABELS],
        value: impl TryInto<i64>,
    ) -> Self {
        Self {
            labels: labels.into(),
            value: value.try_into().unwrap_or(i64::MAX),
        }
    }
}

/// Returns the page of the figures.
pub(crate) fn page(state: &ServiceState) -> String {
    let mut text = String::new();
    for family in families(state) {
        family.write(&mut text);
    }
    text
}

/// Returns the figures of now.
pub(crate) fn families(state: &ServiceState) -> Vec<Family> {
    let mut families = vec![answers(state.metrics())];
    families.extend(of_requests(state));
    families.push(certificate(state.metrics()));
    families.extend(of_group_commit(state));
    families.extend(state.webhooks().families());
    families
}

fn answers(metrics: &Metrics) -> Family {
    let samples = (1..).zip(&metrics.answers).map(|(class, count)| {
        let class = format!("{class}xx");
        Sample::new([("class", class)], count.load(Ordering::Relaxed))
    });
    Family {
        name: "neobank_http_answers_total",
        kind: Kind::Counter,
        help: "Answers by the class of their status.",
        samples: samples.collect(),
    }
}

/// The figure has no sample without TLS.
fn certificate(metrics: &Metrics) -> Family {
    let end = metrics.certificate.get().and_then(Expiry::get);
    Family {
        name: "neobank_tls_certificate_expiration_timestamp_seconds",
        kind: Kind::Gauge,
        help: "The time at which the certificate in use, or one of its issuers, expires.",
        samples: end.map(|end| Sample::new([], end)).into_iter().collect(),
    }
}

fn of_requests(state: &ServiceState) -> [Family; 5] {
    let metrics = state.metrics();
    let free = state.requests().available_permits();
    let at_work = state.limits().requests_max.saturating_sub(free);
    let is_ready = !state.is_stopping();
    [
        Family::single(
            "neobank_http_connections_rejected_total",
            Kind::Counter,
            "Connections above the limit.",
            metrics.connections_rejected.load(Ordering::Relaxed),
        ),
        Family::single(
            "neobank_http_callers_limited_total",
            Kind::Counter,
            "Requests above the rate of their key.",
            metrics.callers_limited.load(Ordering::Relaxed),
        ),
        Family::single(
            "neobank_http_attempts_limited_total",
            Kind::Counter,
            "Requests without a known key above the rate of their address.",
            metrics.attempts_limited.load(Ordering::Relaxed),
        ),
        Family::single(
            "neobank_http_requests_at_work",
            Kind::Gauge,
            "Requests at work.",
            count(at_work),
        ),
        Family::single(
            "neobank_http_accepting",
            Kind::Gauge,
            "1 until the service begins to stop.",
            is_ready.into(),
        ),
    ]
}

fn of_group_commit(state: &ServiceState) -> [Family; 4] {
    let commits = state.ledger().group_commit_metrics();
    [
        Family::single(
            "neobank_group_commit_batches_total",
            Kind::Counter,
            "Transactions of group commit.",
            commits.batches,
        ),
        Family::single(
            "neobank_group_commit_requests_total",
            Kind::Counter,
            "Requests in these transactions.",
            commits.requests,
        ),
        Family::single(
            "neobank_group_commit_overloaded_total",
            Kind::Counter,
            "Requests that found the queue full.",
            commits.overloaded,
        ),
        Family::single(
            "neobank_group_commit_waiting",
            Kind::Gauge,
            "Requests that wait in the queue.",
            count(commits.waiting),
        ),
    ]
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
