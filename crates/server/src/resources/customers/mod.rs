//! Customers.

pub(super) mod preferences;
mod views;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use neobank_domain::CustomerId;
use neobank_domain::api_keys::Scope;
use neobank_domain::customers::{self, CustomerCursor, CustomerFilter, CustomerUpdate};

use super::change::{Change, receive};
use super::identifier;
use super::movement::reader;
use crate::access::Caller;
use crate::context::Context;
use crate::page::page;
use crate::problem::Problem;
use crate::query::{self, parsed};
use crate::state::ServiceState;
use crate::trace;
use views::{ChangesBody, CreateBody, CustomerView, PageView, Parameters};

/// Creates a customer.
#[utoipa::path(
    post,
    path = "/v1/customers",
    operation_id = "createCustomer",
    tag = "customers",
    request_body = CreateBody,
    responses((status = 201, body = CustomerView, description = "The created customer.",
        headers(("Location" = String)))),
)]
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, Scope::CustomersWrite, request).await?;
    let received: Change<CreateBody> = received;
    received.caller.require_unbound(&context)?;
    let new = received.given.read()?;
    let transaction = received.transaction(&state, &context).await?;
    let customer = customers::create(&transaction, &new).await?;
    trace::database(transaction.commit()).await?;
    let location = format!("/v1/customers/{}", customer.customer_id);
    let view = Json(CustomerView::from(customer));
    Ok((StatusCode::CREATED, [(LOCATION, location)], view).into_response())
}

/// Finds customers, newest first.
#[utoipa::path(
    get,
    path = "/v1/customers",
    operation_id = "listCustomers",
    tag = "customers",
    params(Parameters),
    responses((status = 200, body = PageView, description = "A page of customers.",
        headers(("Link" = String, description = "The address of the next page.")))),
)]
pub(super) async fn list(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let caller = Caller::authorised(&state, &headers, &context, Scope::AccountsRead).await?;
    caller.require_unbound(&context)?;
    let given: Parameters = query::read(&uri)?;
    let after: Option<CustomerCursor> = parsed("after", given.after.as_deref())?;
    let mut filter = CustomerFilter::default()
        .with_status(parsed("status", given.status.as_deref())?)
        .with_customer_type(parsed("customer_type", given.customer_type.as_deref())?)
        .with_email(given.email)
        .with_phone(given.phone)
        .with_after(after);
    if let Some(limit) = given.limit {
        filter = filter.with_limit(limit);
    }
    let found = trace::database(customers::search(&context.database(&state), &filter)).await?;
    let next = found.next.map(|cursor| cursor.to_string());
    let customers = found
        .customers
        .into_iter()
        .map(CustomerView::from)
        .collect();
    let body = PageView {
        customers,
        next: next.clone(),
    };
    Ok(page(&uri, body, next))
}

/// Shows a customer.
#[utoipa::path(
    get,
    path = "/v1/customers/{customer_id}",
    operation_id = "showCustomer",
    tag = "customers",
    params(("customer_id" = Uuid, Path)),
    responses((status = 200, body = CustomerView, description = "The customer.")),
)]
pub(super) async fn show(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    customer_id: Result<Path<String>, PathRejection>,
) -> Result<Json<CustomerView>, Problem> {
    let caller = reader(&state, &headers, &context, &uri).await?;
    let customer_id: CustomerId = identifier("customer_id", customer_id)?;
    caller.require_customer(&context, customer_id)?;
    let found = trace::database(customers::find(&context.database(&state), customer_id)).await?;
    let unknown = || {
        let detail = format!("unknown customer: {customer_id}");
        Problem::not_found("unknown_customer", detail)
    };
    Ok(Json(found.ok_or_else(unknown)?.into()))
}

/// Changes the members of a customer that the body has.
#[utoipa::path(
    patch,
    path = "/v1/customers/{customer_id}",
    operation_id = "updateCustomer",
    tag = "customers",
    params(("customer_id" = Uuid, Path)),
    request_body = ChangesBody,
    responses((status = 200, body = CustomerView, description = "The customer after the change.")),
)]
pub(super) async fn update(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    customer_id: Result<Path<String>, PathRejection>,
    request: HttpRequest,
) -> Result<Json<CustomerView>, Problem> {
    let received = receive(&state, &context, Scope::CustomersWrite, request).await?;
    let received: Change<CustomerUpdate> = received;
    let customer_id = identifier("customer_id", customer_id)?;
    received.caller.require_customer(&context, customer_id)?;
    let is_the_banks_decision =
        received.given.customer_status.is_some() || received.given.kyc_status.is_some();
    if is_the_banks_decision {
        received.caller.require_unbound(&context)?;
    }
    let transaction = received.transaction(&state, &context).await?;
    let customer = customers::update(&transaction, customer_id, &received.given).await?;
    trace::database(transaction.commit()).await?;
    Ok(Json(customer.into()))
}
