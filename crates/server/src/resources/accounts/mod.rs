//! Accounts.

pub(super) mod change;
pub(super) mod list;
pub(super) mod open;
pub(super) mod statement;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use neobank_domain::AccountId;
use neobank_domain::accounts;

use super::identifier;
use super::movement::reader;
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::trace;
use crate::views::AccountView;

/// Shows an account, with its version as the `ETag`.
#[utoipa::path(
    get,
    path = "/v1/accounts/{account_id}",
    operation_id = "showAccount",
    tag = "accounts",
    params(("account_id" = Uuid, Path)),
    responses((status = 200, body = AccountView, description = "The account.",
        headers(("ETag" = String, description = "The version of the account.")))),
)]
pub(super) async fn show(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    account_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let caller = reader(&state, &headers, &context, &uri).await?;
    let account_id: AccountId = identifier("account_id", account_id)?;
    let visible = caller.visible(&state, &context, [account_id]).await?;
    caller.require(&context, &visible, account_id)?;
    let database = context.database(&state);
    let Some(account) = trace::database(accounts::find(&database, account_id)).await? else {
        return Err(Problem::unknown_account(account_id));
    };
    Ok((
        [(ETAG, tag(account.version))],
        Json(AccountView::from(account)),
    )
        .into_response())
}

/// Returns a version as an `ETag`.
fn tag(version: i64) -> String {
    format!("\"{version}\"")
}
