//! Groups: requests that are posted together or not at all.

mod body;
mod conditions;
mod holds;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::{Extension, Json};
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{Hold, LedgerError, Rejection, holds as made_holds};
use neobank_domain::transfers::{self, Transfer, TransferFilter};
use neobank_domain::{AccountId, GroupId, Request};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub(super) use self::body::GroupBody;
pub(super) use self::holds::{CaptureStep, ReleaseStep};
use super::identifier;
use super::members::attributes;
use super::movement::{
    Call, IdempotencyKey, Prepared, Received, WRITING, reader, receive, receive_within,
};
use super::reversals;
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::trace;
use crate::views::groups::{GroupView, PostedGroupView};

/// A reversal of all transfers of a group, which releases what its holds still reserve.
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

/// Shows the transfers of a group, and the holds that it has made and released.
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
    let mut found = find(call, group).await?;
    let visible = caller.visible(&state, &context, found.sides()).await?;
    // The database has the last step first.
    found.transfers.reverse();
    let Found {
        transfers,
        made,
        released,
    } = found;
    let holds = (made, released);
    Ok(Json(PostedGroupView::new(
        group, transfers, holds, &visible,
    )))
}

/// Reverses every transfer of a group and releases what its holds still reserve, the last step first,
/// as a group of its own.
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
    let received = receive(&state, &context, &WRITING, request).await?;
    let Received::<ReversalBody> { caller, key, given } = received;
    let call = Call {
        state: &state,
        context: &context,
        caller: &caller,
    };
    let group_id = identifier("group_id", group)?;
    let Found {
        transfers, made, ..
    } = find(call, group_id).await?;
    let ledger = caller.ledger(&state, &context);
    let reversal = match ledger.reversal_of_group(group_id).await {
        // The released hold can be of an account that is not the caller's.
        Err(LedgerError::Rejected(Rejection::ReleasedByGroup { .. })) if caller.is_bound() => {
            return Err(Problem::not_accepted());
        }
        found => found?,
    };
    let mut reversal = reversal.with_description(given.description);
    reversal.attributes = attributes(given.metadata.as_deref(), given.value_date.as_deref())?;
    let steps = std::mem::take(&mut reversal.steps);
    let mut all = Prepared::group(reversal);
    for step in steps {
        let prepared = prepare_undoing(call, step, &transfers, &made).await;
        let prepared = prepared.map_err(|problem| match problem.status_code() {
            // The caller may not see the identifier of a step between other accounts.
            StatusCode::NOT_FOUND => unknown(group_id),
            _ => problem,
        })?;
        all.add(prepared.ok_or_else(|| unknown(group_id))?);
    }
    all.ready().execute(call, key).await?.answer()
}

/// Prepares a step that undoes one of a group; `None` if the group has changed meanwhile, or has made
/// a hold that is not the caller's.
async fn prepare_undoing(
    call: Call<'_>,
    step: Request,
    transfers: &[Transfer],
    holds: &[Hold],
) -> Result<Option<Prepared>, Problem> {
    match step {
        Request::Reversal(step) => {
            let mut transfers = transfers.iter();
            match transfers.find(|one| one.transfer_id == step.transfer) {
                Some(transfer) => reversals::prepare(call, transfer, step).await.map(Some),
                None => Ok(None),
            }
        }
        Request::Release(step) => {
            let mut holds = holds.iter();
            let Some(hold) = holds.find(|one| step.hold == one.hold_id.into()) else {
                return Ok(None);
            };
            let Call {
                state,
                context,
                caller,
            } = call;
            caller.require_scope(context, &[Scope::HoldsWrite])?;
            let visible = caller.visible(state, context, [hold.account_id]).await?;
            if !visible.has(hold.account_id) {
                return Ok(None);
            }
            let mut prepared = Prepared::new(step, hold.account_id);
            prepared.named.extend(hold.to_account_id);
            Ok(Some(prepared))
        }
        _ => Ok(None),
    }
}

/// The transfers of a group, the last one first, the holds that it has made, and those that it has
/// released.
struct Found {
    transfers: Vec<Transfer>,
    made: Vec<Hold>,
    released: Vec<Hold>,
}

impl Found {
    fn sides(&self) -> Vec<AccountId> {
        let of_transfer = |one: &Transfer| [one.debit.account_id, one.credit.account_id];
        let of_hold = |hold: &Hold| std::iter::once(hold.account_id).chain(hold.to_account_id);
        let sides = self.transfers.iter().flat_map(of_transfer);
        let holds = self.made.iter().chain(&self.released);
        sides.chain(holds.flat_map(of_hold)).collect()
    }
}

/// Finds a group. The error is the same for a group of which the caller may see nothing.
async fn find(call: Call<'_>, group: GroupId) -> Result<Found, Problem> {
    let database = call.context.database(call.state);
    let filter = TransferFilter::default()
        .with_group_id(group)
        .with_limit(TransferFilter::LIMIT_MAX);
    let transfers = trace::database(transfers::list(&database, &filter)).await?;
    let made = trace::database(made_holds::of_group(&database, group)).await;
    let released = trace::database(made_holds::released_by_group(&database, group)).await;
    let found = Found {
        transfers: transfers.transfers,
        made: made.map_err(LedgerError::from)?,
        released: released.map_err(LedgerError::from)?,
    };
    let accounts = found.sides();
    let visible = call
        .caller
        .visible(call.state, call.context, accounts.clone())
        .await?;
    if accounts.into_iter().any(|account| visible.has(account)) {
        return Ok(found);
    }
    Err(unknown(group))
}

fn unknown(group: GroupId) -> Problem {
    Problem::not_found("unknown_group", format!("unknown group: {group}"))
}
