//! The resources: a file for each.

mod accounts;
mod balances;
mod batches;
mod change;
mod customers;
mod documentation;
mod events;
mod exchanges;
mod groups;
mod health;
mod holds;
mod journal;
mod members;
mod movement;
mod operations;
mod postings;
mod reversals;
mod transfers;
mod webhooks;

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use neobank_domain::shortened;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::middleware::{identify, limit};
use crate::openapi::{base, complete};
use crate::problem::Problem;
use crate::state::ServiceState;

pub(crate) use events::EventView;

/// Returns the API, with its description at `/openapi.json`.
pub fn router(state: ServiceState) -> Router {
    let (limited, api) = limited().split_for_parts();
    let (unlimited, unlimited_api) = unlimited().split_for_parts();
    let api = complete(api.merge_from(unlimited_api));
    let limited = limited.layer(from_fn_with_state(state.clone(), limit));
    limited
        .merge(unlimited)
        .merge(documentation::router(&api))
        .fallback(unknown_address)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(state.clone(), identify))
        .with_state(state)
}

/// Returns the description of the API as JSON, which `docs/openapi.json` has too.
///
/// # Example
///
/// ```
/// let description = neobank_server::openapi();
/// assert!(description.contains("/v1/transfers"));
/// ```
#[must_use]
pub fn openapi() -> String {
    let api = limited()
        .into_openapi()
        .merge_from(unlimited().into_openapi());
    documentation::text(&complete(api))
}

/// The resources of the ledger.
fn limited() -> OpenApiRouter<ServiceState> {
    OpenApiRouter::with_openapi(base())
        .routes(routes!(transfers::create, transfers::list::list))
        .routes(routes!(transfers::show))
        .routes(routes!(reversals::create))
        .routes(routes!(postings::create))
        .routes(routes!(accounts::open::open, accounts::list::list))
        .routes(routes!(accounts::show))
        .routes(routes!(holds::create))
        .routes(routes!(holds::show))
        .routes(routes!(holds::of_account))
        .routes(routes!(holds::capture))
        .routes(routes!(holds::release))
        .routes(routes!(accounts::statement::show))
        .routes(routes!(accounts::statement::days))
        .routes(routes!(accounts::change::freeze))
        .routes(routes!(accounts::change::unfreeze))
        .routes(routes!(accounts::change::close))
        .routes(routes!(accounts::change::reopen))
        .routes(routes!(accounts::change::set_overdraft_limit))
        .routes(routes!(customers::create, customers::list))
        .routes(routes!(customers::show, customers::update))
        .routes(routes!(
            customers::preferences::show,
            customers::preferences::merge
        ))
        .routes(routes!(balances::list))
        .routes(routes!(balances::trial))
        .routes(routes!(events::list))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::show, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::replay))
        .routes(routes!(webhooks::dead_letters))
        .routes(routes!(webhooks::redeliver))
        .routes(routes!(groups::create))
        .routes(routes!(groups::show))
        .routes(routes!(groups::reverse))
        .routes(routes!(exchanges::create))
        .routes(routes!(batches::create))
}

/// The resources that the limit on requests at work leaves out.
fn unlimited() -> OpenApiRouter<ServiceState> {
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
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
