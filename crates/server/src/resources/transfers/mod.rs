//! Transfers between two customers' accounts.

pub(super) mod list;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::{Extension, Json};
use neobank_domain::api_keys::Scope;
use neobank_domain::{AccountId, TransferId, TransferRequest, transfers};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::identifier;
use super::members::{AmountBody, attributes};
use super::movement::{Call, IdempotencyKey, Prepare, Prepared, reader, receive};
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::trace;
use crate::views::TransferView;

/// A transfer to post.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewTransfer)]
#[serde(deny_unknown_fields)]
pub(super) struct TransferBody {
    /// The account that pays.
    #[schema(value_type = Uuid)]
    from: AccountId,
    /// The account that is paid.
    #[schema(value_type = Uuid)]
    to: AccountId,
    amount: AmountBody,
    #[serde(default)]
    description: String,
    /// Moves as much of the amount as the payer has available.
    #[serde(default)]
    up_to: bool,
    /// With `up_to`, as a step of a group: moves nothing if the payer has nothing available.
    #[serde(default)]
    or_nothing: bool,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    value_date: Option<String>,
}

/// Moves an amount from one account to another.
#[utoipa::path(
    post,
    path = "/v1/transfers",
    operation_id = "createTransfer",
    tag = "transfers",
    params(IdempotencyKey),
    request_body = TransferBody,
    responses((status = 201, body = TransferView, description = "The posted transfer.")),
)]
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, &[Scope::TransfersWrite], request).await?;
    received
        .execute(&state, &context, Ok::<TransferBody, Problem>)
        .await
}

impl Prepare for TransferBody {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        call.caller
            .require_scope(call.context, &[Scope::TransfersWrite])?;
        let mut request = TransferRequest::new(self.from, self.to, self.amount.read()?)
            .with_description(self.description);
        request = match (self.up_to, self.or_nothing) {
            (false, false) => request,
            (true, false) => request.up_to(),
            (true, true) => request.up_to_or_nothing(),
            (false, true) => {
                return Err(Problem::invalid("or_nothing", "or_nothing needs up_to."));
            }
        };
        request.attributes = attributes(self.metadata.as_deref(), self.value_date.as_deref())?;
        Ok(Prepared::new(request, self.from))
    }
}

/// Shows a transfer with both of its entries.
#[utoipa::path(
    get,
    path = "/v1/transfers/{transfer_id}",
    operation_id = "showTransfer",
    tag = "transfers",
    params(("transfer_id" = Uuid, Path)),
    responses((status = 200, body = TransferView, description = "The transfer.")),
)]
pub(super) async fn show(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    transfer_id: Result<Path<String>, PathRejection>,
) -> Result<Json<TransferView>, Problem> {
    let caller = reader(&state, &headers, &context, &uri).await?;
    let transfer_id: TransferId = identifier("transfer_id", transfer_id)?;
    let database = context.database(&state);
    let unknown = || {
        Problem::not_found(
            "unknown_transfer",
            format!("unknown transfer: {transfer_id}"),
        )
    };
    let found = trace::database(transfers::find(&database, transfer_id)).await?;
    let mut view = TransferView::from(found.ok_or_else(unknown)?);
    let sides = [view.debit.account_id, view.credit.account_id];
    let visible = caller.visible(&state, &context, sides).await?;
    if !sides.into_iter().any(|account| visible.has(account)) {
        return Err(unknown());
    }
    view.hide(&visible);
    Ok(Json(view))
}
