//! The list of a customer's accounts, and the search by number.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use neobank_domain::api_keys::Scope;
use neobank_domain::{CustomerId, accounts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::context::Context;
use crate::problem::Problem;
use crate::query;
use crate::state::ServiceState;
use crate::trace;
use crate::views::AccountView;

/// Exactly one of the two conditions.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The customer whose accounts are listed.
    #[param(value_type = Option<Uuid>)]
    customer_id: Option<CustomerId>,
    /// The number of the account that is searched for.
    account_number: Option<String>,
}

/// Accounts, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountList)]
pub(crate) struct ListView {
    accounts: Vec<AccountView>,
}

/// Lists the accounts of a customer, or the one with a number.
#[utoipa::path(
    get,
    path = "/v1/accounts",
    operation_id = "listAccounts",
    tag = "accounts",
    params(Parameters),
    responses((status = 200, body = ListView, description = "The accounts that the key may use.")),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<ListView>, Problem> {
    let caller = Caller::authorised(&state, &headers, &context, Scope::AccountsRead).await?;
    let given: Parameters = query::read(&uri)?;
    let database = context.database(&state);
    let mut found = match (given.customer_id, given.account_number) {
        (Some(customer), None) => {
            trace::database(accounts::list_by_customer(&database, customer)).await?
        }
        (None, Some(number)) => {
            let found = trace::database(accounts::find_by_number(&database, &number)).await?;
            found.into_iter().collect()
        }
        _ => {
            return Err(Problem::malformed(
                "customer_id",
                "Give either customer_id or account_number.",
            ));
        }
    };
    let identifiers = found.iter().map(|account| account.account_id);
    let visible = caller.visible(&state, &context, identifiers).await?;
    found.retain(|account| visible.has(account.account_id));
    let accounts = found.into_iter().map(AccountView::from).collect();
    Ok(Json(ListView { accounts }))
}
