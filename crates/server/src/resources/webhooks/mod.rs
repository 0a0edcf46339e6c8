//! Webhooks: addresses to which the service sends events.

mod views;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use neobank_domain::WebhookId;
use neobank_domain::api_keys::Scope;
use neobank_domain::webhooks::{self, Webhook, WebhookError, WebhookSecret};
use serde::de::DeserializeOwned;

use super::change::{Change, receive, receive_empty};
use super::identifier;
use crate::access::Caller;
use crate::context::{Context, without_parameters};
use crate::page::page;
use crate::problem::Problem;
use crate::query;
use crate::state::ServiceState;
use crate::trace;
use crate::webhooks::{generate_webhook_secret, reveal_webhook_secret};
use views::{
    ChangesBody, CreateBody, CreatedView, DeadLetterPageView, ListView, Parameters, ReplayBody,
    RotateBody, WebhookView,
};

/// Creates a webhook. The answer has its secret, which is shown only this once.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    operation_id = "createWebhook",
    tag = "webhooks",
    request_body = CreateBody,
    responses((status = 201, body = CreatedView, description = "The created webhook.",
        headers(("Location" = String)))),
)]
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received: Change<CreateBody> = administered(&state, &context, request).await?;
    let new = received.given.read(&state.limits().webhooks)?;
    let secret = new_secret()?;
    let transaction = received.transaction(&state, &context).await?;
    let webhook = webhooks::create(&transaction, &new, &secret).await?;
    trace::database(transaction.commit()).await?;
    let location = format!("/v1/webhooks/{}", webhook.webhook_id);
    let view = Json(CreatedView::new(webhook, reveal_webhook_secret(&secret)));
    Ok((StatusCode::CREATED, [(LOCATION, location)], view).into_response())
}

/// Lists all webhooks, in the order of their creation; there are at most 100.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    responses((status = 200, body = ListView, description = "The webhooks.")),
)]
pub(super) async fn list(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<ListView>, Problem> {
    administrator(&state, &headers, &context).await?;
    without_parameters(&uri)?;
    let found = trace::database(webhooks::list(&context.database(&state))).await?;
    let webhooks = found.into_iter().map(WebhookView::from).collect();
    Ok(Json(ListView { webhooks }))
}

/// Shows a webhook, with its position and the event that it has not accepted yet.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{webhook_id}",
    operation_id = "showWebhook",
    tag = "webhooks",
    params(("webhook_id" = Uuid, Path)),
    responses((status = 200, body = WebhookView, description = "The webhook.")),
)]
pub(super) async fn show(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    webhook_id: Result<Path<String>, PathRejection>,
) -> Result<Json<WebhookView>, Problem> {
    administrator(&state, &headers, &context).await?;
    without_parameters(&uri)?;
    let webhook = identifier("webhook_id", webhook_id)?;
    Ok(Json(known(&state, &context, webhook).await?.into()))
}

/// Changes the members of a webhook that the body has. One that becomes enabled is attempted at once.
#[utoipa::path(
    patch,
    path = "/v1/webhooks/{webhook_id}",
    operation_id = "updateWebhook",
    tag = "webhooks",
    params(("webhook_id" = Uuid, Path)),
    request_body = ChangesBody,
    responses((status = 200, body = WebhookView, description = "The webhook after the change.")),
)]
pub(super) async fn update(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    webhook_id: Result<Path<String>, PathRejection>,
    request: HttpRequest,
) -> Result<Json<WebhookView>, Problem> {
    let received: Change<ChangesBody> = administered(&state, &context, request).await?;
    let webhook = identifier("webhook_id", webhook_id)?;
    let update = received.given.read(&state.limits().webhooks)?;
    let transaction = received.transaction(&state, &context).await?;
    let webhook = webhooks::update(&transaction, webhook, &update).await?;
    trace::database(transaction.commit()).await?;
    Ok(Json(webhook.into()))
}

/// Deletes a webhook with its secrets, its position and its dead letters.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{webhook_id}",
    operation_id = "deleteWebhook",
    tag = "webhooks",
    params(("webhook_id" = Uuid, Path)),
    responses((status = 204, description = "The webhook is deleted.")),
)]
pub(super) async fn delete(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    webhook_id: Result<Path<String>, PathRejection>,
    request: HttpRequest,
) -> Result<StatusCode, Problem> {
    let received = receive_empty(&state, &context, Scope::Admin, request).await?;
    received.caller.require_unbound(&context)?;
    let webhook = identifier("webhook_id", webhook_id)?;
    let transaction = received.transaction(&state, &context).await?;
    webhooks::delete(&transaction, webhook).await?;
    trace::database(transaction.commit()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook a new secret, which is shown only this once. The secret of before signs too for a
/// while.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook_id}/rotate",
    operation_id = "rotateWebhookSecret",
    tag = "webhooks",
    params(("webhook_id" = Uuid, Path)),
    request_body = RotateBody,
    responses((status = 200, body = CreatedView, description = "The webhook with the new secret.")),
)]
pub(super) async fn rotate(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    webhook_id: Result<Path<String>, PathRejection>,
    request: HttpRequest,
) -> Result<Json<CreatedView>, Problem> {
    let received: Change<RotateBody> = administered(&state, &context, request).await?;
    let webhook = identifier("webhook_id", webhook_id)?;
    let overlap = received.given.overlap_seconds();
    let secret = new_secret()?;
    let transaction = received.transaction(&state, &context).await?;
    let webhook = webhooks::rotate_secret(&transaction, webhook, &secret, overlap).await?;
    trace::database(transaction.commit()).await?;
    let secret = reveal_webhook_secret(&secret);
    Ok(Json(CreatedView::new(webhook, secret)))
}

/// Sets a webhook behind a position, back or forward. It gets the events after it.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook_id}/replay",
    operation_id = "replayWebhook",
    tag = "webhooks",
    params(("webhook_id" = Uuid, Path)),
    request_body = ReplayBody,
    responses((status = 200, body = WebhookView, description = "The webhook after the change.")),
)]
pub(super) async fn replay(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    webhook_id: Result<Path<String>, PathRejection>,
    request: HttpRequest,
) -> Result<Json<WebhookView>, Problem> {
    let received: Change<ReplayBody> = administered(&state, &context, request).await?;
    let webhook = identifier("webhook_id", webhook_id)?;
    let after = received.given.read()?;
    let transaction = received.transaction(&state, &context).await?;
    let webhook = webhooks::replay(&transaction, webhook, after).await?;
    trace::database(transaction.commit()).await?;
    Ok(Json(webhook.into()))
}

/// Lists the events that a webhook has not accepted within its time, in the order of their positions.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{webhook_id}/dead-letters",
    operation_id = "listDeadLetters",
    tag = "webhooks",
    params(("webhook_id" = Uuid, Path), Parameters),
    responses((status = 200, body = DeadLetterPageView, description = "A page of dead letters.",
        headers(("Link" = String, description = "The address of the next page.")))),
)]
pub(super) async fn dead_letters(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    webhook_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    administrator(&state, &headers, &context).await?;
    let webhook = identifier("webhook_id", webhook_id)?;
    let given: Parameters = query::read(&uri)?;
    let (after, limit) = (given.after()?, given.limit());
    known(&state, &context, webhook).await?;
    let found = trace::database(webhooks::dead_letters(
        &context.database(&state),
        webhook,
        after,
        limit,
    ))
    .await?;
    let next = found.next.map(|position| position.to_string());
    Ok(page(&uri, DeadLetterPageView::from(found), next))
}

/// Requests one more attempt for a dead letter. It is made soon, beside the order of other events.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook_id}/dead-letters/{position}/redeliver",
    operation_id = "redeliverDeadLetter",
    tag = "webhooks",
    params(
        ("webhook_id" = Uuid, Path),
        ("position" = String, Path, description = "The position of the dead letter."),
    ),
    responses((status = 204, description = "The attempt is requested.")),
)]
pub(super) async fn redeliver(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: HttpRequest,
) -> Result<StatusCode, Problem> {
    let received = receive_empty(&state, &context, Scope::Admin, request).await?;
    received.caller.require_unbound(&context)?;
    let Ok(Path((webhook, position))) = path else {
        let detail = "The address is not UTF-8.";
        return Err(Problem::malformed("webhook_id", detail));
    };
    let webhook = identifier("webhook_id", Ok(Path(webhook)))?;
    let position = views::position("position", &position)?;
    let transaction = received.transaction(&state, &context).await?;
    webhooks::redeliver(&transaction, webhook, position).await?;
    trace::database(transaction.commit()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads a request for a change by a caller who administers the bank.
async fn administered<T: DeserializeOwned>(
    state: &ServiceState,
    context: &Context,
    request: HttpRequest,
) -> Result<Change<T>, Problem> {
    let received = receive(state, context, Scope::Admin, request).await?;
    received.caller.require_unbound(context)?;
    Ok(received)
}

/// Returns an error unless the caller administers the bank.
async fn administrator(
    state: &ServiceState,
    headers: &HeaderMap,
    context: &Context,
) -> Result<(), Problem> {
    let caller = Caller::authorised(state, headers, context, Scope::Admin).await?;
    caller.require_unbound(context)
}

async fn known(
    state: &ServiceState,
    context: &Context,
    webhook: WebhookId,
) -> Result<Webhook, Problem> {
    let found = trace::database(webhooks::find(&context.database(state), webhook)).await?;
    found.ok_or_else(|| WebhookError::Unknown { webhook }.into())
}

fn new_secret() -> Result<WebhookSecret, Problem> {
    generate_webhook_secret().map_err(|error| {
        tracing::error!("a secret was not made: {error}");
        Problem::unavailable("unavailable", "The service has no random numbers now.")
    })
}
