//! The statement of an account, and its days.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::{Extension, Json};
use chrono::{DateTime, NaiveDate, Utc};
use neobank_domain::api_keys::Scope;
use neobank_domain::statements::{
    self, DailySummary, Days, Entry, StatementCursor, StatementRequest,
};
use neobank_domain::{AccountId, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::identifier;
use crate::access::Caller;
use crate::context::Context;
use crate::page::page;
use crate::problem::Problem;
use crate::query::{self, parsed};
use crate::state::ServiceState;
use crate::times;
use crate::trace;
use crate::views::{AmountView, time};

/// The range of a statement, and its page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StatementParameters {
    /// The first day.
    #[serde(deserialize_with = "times::day")]
    from: NaiveDate,
    /// The last day.
    #[serde(deserialize_with = "times::day")]
    through: NaiveDate,
    /// The calendar of these days: `account` counts those of the account's zone, `utc` those of UTC.
    #[serde(default)]
    #[param(inline)]
    days: Calendar,
    /// The most entries on the page, from 1 to 10,000; 100 without it.
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
    /// The cursor of the page before, its `next`.
    after: Option<String>,
}

/// The range of days to summarise.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SummaryParameters {
    /// The first day.
    #[serde(deserialize_with = "times::day")]
    from: NaiveDate,
    /// The last day.
    #[serde(deserialize_with = "times::day")]
    through: NaiveDate,
    /// The calendar of these days: `account` counts those of the account's zone, `utc` those of UTC.
    #[serde(default)]
    #[param(inline)]
    days: Calendar,
}

/// The calendar by which days are counted.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Calendar {
    #[default]
    Account,
    Utc,
}

impl From<Calendar> for Days {
    fn from(calendar: Calendar) -> Self {
        match calendar {
            Calendar::Account => Self::OfAccount,
            Calendar::Utc => Self::OfUtc,
        }
    }
}

/// A page of an account's statement, newest entry first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Statement)]
pub(super) struct StatementView {
    account_id: Uuid,
    #[serde(serialize_with = "time")]
    starts_at: DateTime<Utc>,
    #[serde(serialize_with = "time")]
    ends_at: DateTime<Utc>,
    #[schema(value_type = AmountView)]
    opening_balance: Money,
    #[schema(value_type = AmountView)]
    closing_balance: Money,
    entries: Vec<EntryView>,
    /// The cursor of the next page, for `after`; missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next: Option<StatementCursor>,
}

/// An entry of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entry)]
struct EntryView {
    transaction_id: Uuid,
    transfer_id: Uuid,
    reference_number: String,
    entry_number: String,
    /// Positive for a credit, negative for a debit.
    #[schema(value_type = AmountView)]
    movement: Money,
    #[schema(value_type = AmountView)]
    running_balance: Money,
    description: String,
    #[serde(serialize_with = "time")]
    posted_at: DateTime<Utc>,
    /// The same time in the zone of the days, with its offset.
    #[schema(format = DateTime)]
    local_time: String,
}

/// The days of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DailySummaries)]
pub(crate) struct SummariesView {
    days: Vec<SummaryView>,
}

/// A day of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DailySummary)]
struct SummaryView {
    date: NaiveDate,
    transaction_count: String,
    #[schema(value_type = AmountView)]
    total_credits: Money,
    #[schema(value_type = AmountView)]
    total_debits: Money,
    #[schema(value_type = AmountView)]
    opening_balance: Money,
    #[schema(value_type = AmountView)]
    closing_balance: Money,
}

/// Shows a page of an account's statement.
#[utoipa::path(
    get,
    path = "/v1/accounts/{account_id}/statement",
    operation_id = "showStatement",
    tag = "accounts",
    params(("account_id" = Uuid, Path), StatementParameters),
    responses((status = 200, body = StatementView, description = "A page of the statement.",
        headers(("Link" = String, description = "The address of the next page.")))),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    account_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let account = authorised(&state, &context, &headers, account_id).await?;
    let given: StatementParameters = query::read(&uri)?;
    let after: Option<StatementCursor> = parsed("after", given.after.as_deref())?;
    let mut request = StatementRequest::through(given.from, given.through)
        .with_days(given.days.into())
        .with_after(after);
    if let Some(limit) = given.limit {
        request = request.with_limit(limit);
    }
    let found = trace::database(statements::page(
        &context.database(&state),
        account,
        &request,
    ))
    .await?;
    let body = StatementView {
        account_id: account.as_uuid(),
        starts_at: found.starts_at,
        ends_at: found.ends_at,
        opening_balance: found.opening_balance,
        closing_balance: found.closing_balance,
        entries: found.entries.into_iter().map(EntryView::from).collect(),
        next: found.next,
    };
    Ok(page(&uri, body, found.next))
}

/// Shows the totals and balances of an account's days.
#[utoipa::path(
    get,
    path = "/v1/accounts/{account_id}/daily-summaries",
    operation_id = "listDailySummaries",
    tag = "accounts",
    params(("account_id" = Uuid, Path), SummaryParameters),
    responses((status = 200, body = SummariesView, description = "The days, oldest first.")),
)]
pub(crate) async fn days(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    account_id: Result<Path<String>, PathRejection>,
) -> Result<Json<SummariesView>, Problem> {
    let account = authorised(&state, &context, &headers, account_id).await?;
    let given: SummaryParameters = query::read(&uri)?;
    let wrong = || Problem::invalid("through", "The last day is before the first, or too late.");
    let is_range = given.from <= given.through;
    let to = given
        .through
        .succ_opt()
        .filter(|_| is_range)
        .ok_or_else(wrong)?;
    let database = context.database(&state);
    let days = given.days.into();
    let found = trace::database(statements::daily_summaries(
        &database, account, given.from, to, days,
    ))
    .await?;
    let days = found.into_iter().map(SummaryView::from).collect();
    Ok(Json(SummariesView { days }))
}

async fn authorised(
    state: &ServiceState,
    context: &Context,
    headers: &HeaderMap,
    account_id: Result<Path<String>, PathRejection>,
) -> Result<AccountId, Problem> {
    let caller = Caller::authorised(state, headers, context, Scope::AccountsRead).await?;
    let account = identifier("account_id", account_id)?;
    let visible = caller.visible(state, context, [account]).await?;
    caller.require(context, &visible, account)?;
    Ok(account)
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            transaction_id: entry.transaction_id.as_uuid(),
            transfer_id: entry.transfer_id.as_uuid(),
            reference_number: entry.reference_number().to_string(),
            entry_number: entry.entry_number.to_string(),
            movement: entry.movement(),
            running_balance: entry.running_balance,
            posted_at: entry.posted_at,
            local_time: entry.local_time.to_rfc3339(),
            description: entry.description,
        }
    }
}

impl From<DailySummary> for SummaryView {
    fn from(day: DailySummary) -> Self {
        Self {
            date: day.date,
            transaction_count: day.transaction_count.to_string(),
            total_credits: day.total_credits,
            total_debits: day.total_debits,
            opening_balance: day.opening_balance,
            closing_balance: day.closing_balance,
        }
    }
}
