//! The resources: a file for each.

mod accounts;
mod health;
mod movement;
mod postings;
mod transfers;

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use neobank_domain::shortened;

use crate::middleware::{identify, limit};
use crate::problem::Problem;
use crate::state::ServiceState;

/// Returns the API.
pub fn router(state: ServiceState) -> Router {
    let limited = Router::new()
        .route("/v1/transfers", post(transfers::create))
        .route("/v1/transfers/{transfer_id}", get(transfers::show))
        .route("/v1/postings", post(postings::create))
        .route("/v1/accounts/{account_id}", get(accounts::show))
        .layer(from_fn_with_state(state.clone(), limit));
    let unlimited = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics));
    limited
        .merge(unlimited)
        .fallback(unknown_address)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(state.clone(), identify))
        .with_state(state)
}

async fn unknown_address() -> impl IntoResponse {
    Problem::not_found("unknown_address", "There is nothing at this address.")
}

async fn unknown_method() -> impl IntoResponse {
    let detail = "The address does not take this method.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "unknown_method", detail)
}

/// Reads an identifier of the address.
fn identifier<T: std::str::FromStr>(
    field: &'static str,
    part: Result<Path<String>, PathRejection>,
) -> Result<T, Problem> {
    let Ok(Path(text)) = part else {
        return Err(Problem::malformed(field, "The address is not UTF-8."));
    };
    let wrong = || format!("{:?} is not a UUID.", shortened(&text));
    text.parse().map_err(|_| Problem::malformed(field, wrong()))
}
