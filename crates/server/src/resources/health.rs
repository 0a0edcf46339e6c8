//! Health, and the figures for Prometheus.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use neobank_domain::api_keys;

use crate::metrics;
use crate::problem::Problem;
use crate::state::ServiceState;

/// The longest time in which the database says that it is there.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers as long as the process runs.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// Answers 200 if the service takes requests: it does not stop, and it can read keys in the database.
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
    match api_keys::find_by_prefix(&database, "").await {
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

pub(super) async fn metrics(State(state): State<ServiceState>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], metrics::page(&state))
}
