//! The opening of accounts.

use axum::Extension;
use axum::extract::{Request as HttpRequest, State};
use axum::http::StatusCode;
use axum::http::header::{ETAG, LOCATION};
use axum::response::{IntoResponse, Response};
use neobank_domain::accounts::{self, AccountType, NewAccount};
use neobank_domain::api_keys::Scope;
use neobank_domain::{AccountId, CustomerId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::change::{Change, receive};
use super::super::members::{AmountBody, currency};
use super::tag;
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::trace;
use crate::views::AccountView;

/// An account to open.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewAccount)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenBody {
    /// The account's owner.
    #[schema(value_type = Uuid)]
    customer_id: CustomerId,
    /// `checking`, `savings` or another type of a customer's account.
    account_type: String,
    /// The code of ISO 4217.
    #[schema(example = "CZK")]
    currency: String,
    /// The IANA name of the zone whose days statements count; `UTC` without it.
    time_zone: Option<String>,
    /// The amount by which the balance may fall below zero; zero without it.
    overdraft_limit: Option<AmountBody>,
    /// The account's identifier, which the caller may make, so that a repeated opening is rejected.
    #[schema(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
}

/// Opens an account with a balance of zero.
#[utoipa::path(
    post,
    path = "/v1/accounts",
    operation_id = "openAccount",
    tag = "accounts",
    request_body = OpenBody,
    responses((status = 201, body = AccountView, description = "The opened account.",
        headers(("ETag" = String, description = "The version of the account."),
            ("Location" = String)))),
)]
pub(crate) async fn open(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, Scope::CustomersWrite, request).await?;
    let received: Change<OpenBody> = received;
    let given = &received.given;
    received
        .caller
        .require_customer(&context, given.customer_id)?;
    let new = new_account(given)?;
    let transaction = received.transaction(&state, &context).await?;
    let account = accounts::open(&transaction, &new).await?;
    trace::database(transaction.commit()).await?;
    let location = format!("/v1/accounts/{}", account.account_id);
    let headers = [(LOCATION, location), (ETAG, tag(account.version))];
    Ok((
        StatusCode::CREATED,
        headers,
        axum::Json(AccountView::from(account)),
    )
        .into_response())
}

fn new_account(given: &OpenBody) -> Result<NewAccount, Problem> {
    let account_type = given.account_type.parse::<AccountType>();
    let account_type =
        account_type.map_err(|error| Problem::invalid("account_type", error.to_string()))?;
    let mut new = NewAccount::new(given.customer_id, account_type, currency(&given.currency)?);
    if let Some(limit) = &given.overdraft_limit {
        new = new.with_overdraft_limit(limit.read_as("overdraft_limit")?);
    }
    if let Some(time_zone) = &given.time_zone {
        new = new.with_time_zone(time_zone);
    }
    if let Some(account) = given.account_id {
        new.account_id = account;
    }
    Ok(new)
}
