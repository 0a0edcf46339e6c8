//! The counts of the service, in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

use crate::state::ServiceState;

/// Counts of answers by the class of their status, of rejected connections, and of requests above a
/// rate.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    answers: [AtomicU64; 5],
    connections_rejected: AtomicU64,
    callers_limited: AtomicU64,
    attempts_limited: AtomicU64,
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

/// Returns the page of the figures.
pub(crate) fn page(state: &ServiceState) -> String {
    let mut text = String::new();
    let metrics = state.metrics();
    family(
        &mut text,
        "neobank_http_answers_total",
        "counter",
        "Answers by the class of their status.",
    );
    for (class, count) in (1..).zip(&metrics.answers) {
        let count = count.load(Ordering::Relaxed);
        let _ = writeln!(
            text,
            "neobank_http_answers_total{{class=\"{class}xx\"}} {count}"
        );
    }
    let commits = state.ledger().group_commit_metrics();
    let free = state.requests().available_permits();
    let at_work = state.limits().requests_max.saturating_sub(free);
    let ready = u64::from(!state.is_stopping());
    for (name, kind, help, value) in [
        (
            "neobank_http_connections_rejected_total",
            "counter",
            "Connections above the limit.",
            metrics.connections_rejected.load(Ordering::Relaxed),
        ),
        (
            "neobank_http_callers_limited_total",
            "counter",
            "Requests above the rate of their key.",
            metrics.callers_limited.load(Ordering::Relaxed),
        ),
        (
            "neobank_http_attempts_limited_total",
            "counter",
            "Requests without a known key above the rate of their address.",
            metrics.attempts_limited.load(Ordering::Relaxed),
        ),
        (
            "neobank_http_requests_at_work",
            "gauge",
            "Requests at work.",
            count(at_work),
        ),
        (
            "neobank_http_accepting",
            "gauge",
            "1 until the service begins to stop.",
            ready,
        ),
        (
            "neobank_group_commit_batches_total",
            "counter",
            "Transactions of group commit.",
            commits.batches,
        ),
        (
            "neobank_group_commit_requests_total",
            "counter",
            "Requests in these transactions.",
            commits.requests,
        ),
        (
            "neobank_group_commit_overloaded_total",
            "counter",
            "Requests that found the queue full.",
            commits.overloaded,
        ),
        (
            "neobank_group_commit_waiting",
            "gauge",
            "Requests that wait in the queue.",
            count(commits.waiting),
        ),
    ] {
        family(&mut text, name, kind, help);
        let _ = writeln!(text, "{name} {value}");
    }
    state.webhooks().write(&mut text);
    text
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
