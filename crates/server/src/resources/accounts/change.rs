//! Changes of an account: its status and its overdraft.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use neobank_db::Transaction;
use neobank_domain::AccountId;
use neobank_domain::accounts::{self, Account, AccountError};
use neobank_domain::api_keys::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::change::{Change, IfMatch, is_stale, receive, receive_empty, stale};
use super::super::identifier;
use super::super::members::AmountBody;
use super::tag;
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::trace;
use crate::views::AccountView;

/// A new overdraft limit.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OverdraftLimit)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitBody {
    /// The amount by which the balance may fall below zero.
    overdraft_limit: AmountBody,
}

type AddressPart = Result<Path<String>, PathRejection>;

macro_rules! changes_of_status {
    ($($name:ident, $path:literal, $operation:literal: $summary:literal;)*) => {$(
        #[doc = $summary]
        #[utoipa::path(
            post,
            path = $path,
            operation_id = $operation,
            tag = "accounts",
            params(("account_id" = Uuid, Path), IfMatch),
            responses(
                (status = 200, body = AccountView, description = "The account after the change.",
                    headers(("ETag" = String, description = "The version of the account."))),
            ),
        )]
        pub(crate) async fn $name(
            State(state): State<ServiceState>,
            Extension(context): Extension<Context>,
            account_id: AddressPart,
            request: HttpRequest,
        ) -> Result<Response, Problem> {
            let received = receive_empty(&state, &context, Scope::CustomersWrite, request).await?;
            let account_id = identifier("account_id", account_id)?;
            let transaction = begin(&state, &context, &received, account_id).await?;
            let changed = accounts::$name(&transaction, account_id).await;
            finish(transaction, changed).await
        }
    )*};
}

changes_of_status! {
    freeze, "/v1/accounts/{account_id}/freeze", "freezeAccount":
        "Freezes an active account: the ledger rejects every entry on it.";
    unfreeze, "/v1/accounts/{account_id}/unfreeze", "unfreezeAccount":
        "Makes a frozen account active again.";
    close, "/v1/accounts/{account_id}/close", "closeAccount":
        "Closes an active account whose balance is zero and that has no open holds.";
    reopen, "/v1/accounts/{account_id}/reopen", "reopenAccount":
        "Makes a closed account active again.";
}

/// Sets the amount by which an account's balance may fall below zero.
#[utoipa::path(
    put,
    path = "/v1/accounts/{account_id}/overdraft-limit",
    operation_id = "setOverdraftLimit",
    tag = "accounts",
    params(("account_id" = Uuid, Path), IfMatch),
    request_body = LimitBody,
    responses((status = 200, body = AccountView, description = "The account after the change.",
        headers(("ETag" = String, description = "The version of the account.")))),
)]
pub(crate) async fn set_overdraft_limit(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    account_id: AddressPart,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, Scope::CustomersWrite, request).await?;
    let account_id = identifier("account_id", account_id)?;
    let LimitBody { overdraft_limit } = &received.given;
    let limit = overdraft_limit.read_as("overdraft_limit")?;
    let transaction = begin(&state, &context, &received, account_id).await?;
    let changed = accounts::set_overdraft_limit(&transaction, account_id, limit).await;
    finish(transaction, changed).await
}

/// Begins the change of an account that has the expected version.
async fn begin<T>(
    state: &ServiceState,
    context: &Context,
    received: &Change<T>,
    account: AccountId,
) -> Result<Transaction, Problem> {
    // The terms and the status of an account are the bank's decision.
    received.caller.require_unbound(context)?;
    let transaction = received.transaction(state, context).await?;
    if let Some(expected) = received.expected {
        let found = accounts::find(&transaction, account).await?;
        let found = found.ok_or(AccountError::UnknownAccount { account })?;
        if found.version != expected {
            return Err(stale(Some(found.version)));
        }
    }
    Ok(transaction)
}

async fn finish(
    transaction: Transaction,
    changed: Result<Account, AccountError>,
) -> Result<Response, Problem> {
    let account = changed.map_err(|error| match error {
        AccountError::Database(error) if is_stale(&error) => stale(None),
        error => error.into(),
    })?;
    trace::database(transaction.commit()).await?;
    let headers = [(ETAG, tag(account.version))];
    Ok((headers, Json(AccountView::from(account))).into_response())
}
