//! Health, and the figures for Prometheus.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use neobank_domain::api_keys;

use crate::metrics;
use crate::openapi::PROBLEM_JSON;
use crate::problem::{Problem, ProblemDocument};
use crate::state::ServiceState;
use crate::trace;

/// The longest time in which the database says that it is there.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers as long as the process runs.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "live",
    tag = "operation",
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "The process runs."),
    ),
)]
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// Answers 200 if the service takes requests: it does not stop, and it can read keys in the database.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "ready",
    tag = "operation",
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "The service takes requests."),
        (status = 503, body = ProblemDocument<'_>, content_type = PROBLEM_JSON,
            description = "The service takes no requests."),
    ),
)]
pub(super) async fn ready(State(state): State<ServiceState>) -> Result<&'static str, Problem> {
    if state.is_stopping() {
        return Err(Problem::unavailable(
            "stopping",
            "The service is about to stop.",
        ));
    }
    let database = state
        .database()
        .with_deadline(Instant::now() + READY_TIMEOUT);
    // No key has this prefix. The schema is there, and the role may read it.
    match trace::database(api_keys::find_by_prefix(&database, "")).await {
        Ok(_) => Ok("ready\n"),
        Err(error) => {
            tracing::warn!("not ready: {error}");
            Err(Problem::unavailable(
                "unavailable",
                "The database does not answer as it should.",
            ))
        }
    }
}

/// The figures of the service, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operation",
    responses((status = 200, body = String, content_type = "text/plain",
        description = "The figures in Prometheus's text format.")),
)]
pub(super) async fn metrics(State(state): State<ServiceState>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], metrics::page(&state))
}
