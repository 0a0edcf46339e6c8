//! Groups: requests that are posted together or not at all.

mod body;
mod conditions;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::{Extension, Json};
use neobank_domain::GroupId;
use neobank_domain::ledger::{GroupRequest, ReversalRequest};
use neobank_domain::transfers::{self, Transfer, TransferFilter};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub(super) use self::body::GroupBody;
use super::identifier;
use super::members::attributes;
use super::movement::{
    Call, IdempotencyKey, Prepared, Received, WRITING, reader, receive, receive_within,
};
use super::reversals;
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::views::groups::{GroupView, PostedGroupView};

/// A reversal of all transfers of a group.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewGroupReversal)]
#[serde(deny_unknown_fields)]
struct ReversalBody {
    #[serde(default)]
    description: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    value_date: Option<String>,
}

/// Posts requests together or not at all.
#[utoipa::path(
    post,
    path = "/v1/groups",
    operation_id = "createGroup",
    tag = "groups",
    params(IdempotencyKey),
    request_body = GroupBody,
    responses((status = 201, body = GroupView, description = "The posted group.")),
)]
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let bytes_max = state.limits().batch_bytes_max;
    let received = receive_within(&state, &context, &WRITING, request, bytes_max).await?;
    received
        .execute(&state, &context, Ok::<GroupBody, Problem>)
        .await
}

/// Shows the transfers of a group.
#[utoipa::path(
    get,
    path = "/v1/groups/{group_id}",
    operation_id = "showGroup",
    tag = "groups",
    params(("group_id" = Uuid, Path)),
    responses((status = 200, body = PostedGroupView, description = "The group.")),
)]
pub(super) async fn show(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    group: Result<Path<String>, PathRejection>,
) -> Result<Json<PostedGroupView>, Problem> {
    let caller = reader(&state, &headers, &context, &uri).await?;
    let group: GroupId = identifier("group_id", group)?;
    let call = Call {
        state: &state,
        context: &context,
        caller: &caller,
    };
    let transfers = find(call, group).await?;
    let visible = caller.visible(&state, &context, sides(&transfers)).await?;
    // The database has the last step first.
    let steps = transfers.into_iter().rev();
    Ok(Json(PostedGroupView::new(group, steps, &visible)))
}

/// Reverses every transfer of a group, the last one first, as a group of its own.
#[utoipa::path(
    post,
    path = "/v1/groups/{group_id}/reversals",
    operation_id = "createGroupReversal",
    tag = "groups",
    params(("group_id" = Uuid, Path), IdempotencyKey),
    request_body = ReversalBody,
    responses((status = 201, body = GroupView, description = "The group that moves the money back.")),
)]
pub(super) async fn reverse(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    group: Result<Path<String>, PathRejection>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, &reversals::SCOPES, request).await?;
    let Received::<ReversalBody> { caller, key, given } = received;
    let call = Call {
        state: &state,
        context: &context,
        caller: &caller,
    };
    let group_id = identifier("group_id", group)?;
    let transfers = find(call, group_id).await?;
    let mut reversal = GroupRequest::new().with_description(given.description);
    reversal.attributes = attributes(given.metadata.as_deref(), given.value_date.as_deref())?;
    let mut all = Prepared::group(reversal);
    for transfer in transfers {
        let step = ReversalRequest::new(transfer.transfer_id);
        let prepared = reversals::prepare(call, &transfer, step).await;
        all.add(prepared.map_err(|problem| match problem.status_code() {
            // The identifier of a step between other accounts is not the caller's to know.
            StatusCode::NOT_FOUND => unknown(group_id),
            _ => problem,
        })?);
    }
    all.ready().execute(call, key).await?.answer()
}

/// Returns the transfers of a group, the last one first. The error is the same for a group of which
/// the caller may see nothing.
async fn find(call: Call<'_>, group: GroupId) -> Result<Vec<Transfer>, Problem> {
    let database = call.context.database(call.state);
    let filter = TransferFilter::default()
        .with_group_id(group)
        .with_limit(TransferFilter::LIMIT_MAX);
    let transfers = transfers::list(&database, &filter).await?.transfers;
    let accounts = sides(&transfers);
    let visible = call
        .caller
        .visible(call.state, call.context, accounts.clone())
        .await?;
    if accounts.into_iter().any(|account| visible.has(account)) {
        return Ok(transfers);
    }
    Err(unknown(group))
}

fn unknown(group: GroupId) -> Problem {
    Problem::not_found("unknown_group", format!("unknown group: {group}"))
}

fn sides(transfers: &[Transfer]) -> Vec<neobank_domain::AccountId> {
    let sides = transfers
        .iter()
        .map(|one| [one.debit.account_id, one.credit.account_id]);
    sides.flatten().collect()
}
