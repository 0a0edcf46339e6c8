//! The preferences of a customer.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, Uri};
use axum::{Extension, Json};
use neobank_domain::api_keys::Scope;
use neobank_domain::preferences::{self, PreferenceUpdate};
use neobank_domain::{CustomerId, customers};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::change::{Change, receive};
use super::super::identifier;
use super::super::movement::reader;
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::trace;

/// Shows the preferences of a customer.
#[utoipa::path(
    get,
    path = "/v1/customers/{customer_id}/preferences",
    operation_id = "showPreferences",
    tag = "customers",
    params(("customer_id" = Uuid, Path)),
    responses((status = 200, body = Object, description = "The preferences.")),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    customer_id: Result<Path<String>, PathRejection>,
) -> Result<Json<Map<String, Value>>, Problem> {
    let caller = reader(&state, &headers, &context, &uri).await?;
    let customer_id: CustomerId = identifier("customer_id", customer_id)?;
    caller.require_customer(&context, customer_id)?;
    let database = context.database(&state);
    if trace::database(customers::find(&database, customer_id))
        .await?
        .is_none()
    {
        let detail = format!("unknown customer: {customer_id}");
        return Err(Problem::not_found("unknown_customer", detail));
    }
    Ok(Json(
        trace::database(preferences::find(&database, customer_id)).await?,
    ))
}

/// Replaces the keys that the body has; other keys stay.
#[utoipa::path(
    patch,
    path = "/v1/customers/{customer_id}/preferences",
    operation_id = "mergePreferences",
    tag = "customers",
    params(("customer_id" = Uuid, Path)),
    request_body = Object,
    responses((status = 200, body = Object, description = "The preferences after the change.")),
)]
pub(crate) async fn merge(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    customer_id: Result<Path<String>, PathRejection>,
    request: HttpRequest,
) -> Result<Json<Map<String, Value>>, Problem> {
    let received = receive(&state, &context, Scope::CustomersWrite, request).await?;
    let received: Change<Box<RawValue>> = received;
    let customer_id: CustomerId = identifier("customer_id", customer_id)?;
    received.caller.require_customer(&context, customer_id)?;
    let update = PreferenceUpdate::from_json(customer_id, received.given.get())?;
    let transaction = received.transaction(&state, &context).await?;
    preferences::merge(&transaction, &[update]).await?;
    let merged = preferences::find(&transaction, customer_id).await?;
    trace::database(transaction.commit()).await?;
    Ok(Json(merged))
}
