//! The balances of accounts at a time, and the trial balance.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::{Extension, Json};
use chrono::{DateTime, NaiveDate, Utc};
use neobank_domain::Money;
use neobank_domain::api_keys::Scope;
use neobank_domain::balances::{self, BalanceCursor, Balances, TrialBalance};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::Caller;
use crate::context::Context;
use crate::page::page;
use crate::problem::Problem;
use crate::query::{self, parsed};
use crate::state::ServiceState;
use crate::times;
use crate::trace;
use crate::views::AmountView;

/// The time of the balances, and the page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct BalanceParameters {
    /// The time of the balances; now without it.
    #[serde(default, deserialize_with = "times::optional_time")]
    at: Option<DateTime<Utc>>,
    /// The day, for balances by value date instead of by booking time; not with `at`.
    #[serde(default, deserialize_with = "times::optional_day")]
    value_date: Option<NaiveDate>,
    /// The currency of the accounts.
    currency: Option<String>,
    /// The most accounts on the page, from 1 to 10,000; 100 without it.
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
    /// The cursor of the page before, its `next`.
    after: Option<String>,
}

/// The time of the trial balance.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TrialParameters {
    /// The time; now without it.
    #[serde(default, deserialize_with = "times::optional_time")]
    at: Option<DateTime<Utc>>,
}

/// A page of balances, in the order of the accounts' identifiers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BalancePage)]
struct PageView {
    balances: Vec<BalanceView>,
    /// The cursor of the next page, for `after`; missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next: Option<BalanceCursor>,
}

/// The book balance of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Balance)]
struct BalanceView {
    account_id: Uuid,
    account_number: String,
    customer_id: Option<Uuid>,
    account_type: String,
    #[schema(value_type = AmountView)]
    balance: Money,
    entries: String,
}

/// The trial balances of all currencies.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrialBalances)]
pub(super) struct TrialView {
    currencies: Vec<CurrencyView>,
}

/// The trial balance of a currency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrialBalance)]
struct CurrencyView {
    currency: String,
    is_balanced: bool,
    #[schema(value_type = AmountView)]
    debit: Money,
    #[schema(value_type = AmountView)]
    credit: Money,
    lines: Vec<LineView>,
}

/// A line of a trial balance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrialBalanceLine)]
struct LineView {
    /// The number of one of the bank's own accounts; `null` for the customers' accounts together.
    account_number: Option<String>,
    accounts: String,
    #[schema(value_type = AmountView)]
    debit: Money,
    #[schema(value_type = AmountView)]
    credit: Money,
}

/// Lists the book balances of all accounts, now or at a time.
#[utoipa::path(
    get,
    path = "/v1/balances",
    operation_id = "listBalances",
    tag = "balances",
    params(BalanceParameters),
    responses((status = 200, body = PageView, description = "A page of balances.",
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
    let request = request(&query::read(&uri)?)?;
    let found = trace::database(balances::list(&context.database(&state), &request)).await?;
    let views = found.balances.into_iter().map(|one| BalanceView {
        account_id: one.account_id.as_uuid(),
        account_number: one.account_number,
        customer_id: one.customer_id.map(neobank_domain::CustomerId::as_uuid),
        account_type: one.account_type.to_string(),
        balance: one.balance,
        entries: one.entries.to_string(),
    });
    let body = PageView {
        balances: views.collect(),
        next: found.next,
    };
    Ok(page(&uri, body, found.next))
}

/// Shows the trial balance of every currency, whose debits equal its credits.
#[utoipa::path(
    get,
    path = "/v1/trial-balance",
    operation_id = "showTrialBalance",
    tag = "balances",
    params(TrialParameters),
    responses((status = 200, body = TrialView, description = "The trial balances.")),
)]
pub(super) async fn trial(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<TrialView>, Problem> {
    let caller = Caller::authorised(&state, &headers, &context, Scope::AccountsRead).await?;
    caller.require_unbound(&context)?;
    let given: TrialParameters = query::read(&uri)?;
    let found =
        trace::database(balances::trial_balance(&context.database(&state), given.at)).await?;
    let currencies = found.into_iter().map(CurrencyView::from).collect();
    Ok(Json(TrialView { currencies }))
}

fn request(given: &BalanceParameters) -> Result<Balances, Problem> {
    let mut request = match (given.at, given.value_date) {
        (Some(_), Some(_)) => {
            let detail = "Give either at or value_date.";
            return Err(Problem::malformed("value_date", detail));
        }
        (Some(time), None) => Balances::at(time),
        (None, Some(day)) => Balances::by_value_date(day),
        (None, None) => Balances::now(),
    };
    let after: Option<BalanceCursor> = parsed("after", given.after.as_deref())?;
    request = request
        .with_currency(query::currency(given.currency.as_deref())?)
        .with_after(after);
    Ok(match given.limit {
        Some(limit) => request.with_limit(limit),
        None => request,
    })
}

impl From<TrialBalance> for CurrencyView {
    fn from(found: TrialBalance) -> Self {
        let is_balanced = found.is_balanced();
        let lines = found.lines.into_iter().map(|line| LineView {
            account_number: line.account_number,
            accounts: line.accounts.to_string(),
            debit: line.debit,
            credit: line.credit,
        });
        Self {
            currency: found.currency.code().to_owned(),
            is_balanced,
            debit: found.debit,
            credit: found.credit,
            lines: lines.collect(),
        }
    }
}
