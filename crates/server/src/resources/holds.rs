//! Holds: reserved amounts, their captures and releases.

use axum::Extension;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use neobank_domain::accounts;
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{
    CaptureRequest, Hold, HoldCursor, HoldFilter, HoldReference, HoldRequest, HoldStatus,
    LedgerError, ReleaseRequest, holds,
};
use neobank_domain::{AccountId, HoldId, Rejection};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::identifier;
use super::members::{AmountBody, attributes, optional_amount, time};
use super::movement::{Call, IdempotencyKey, Prepare, Prepared, reader, receive};
use crate::access::{Caller, Visible};
use crate::context::Context;
use crate::page::page;
use crate::problem::Problem;
use crate::query::{self, parsed};
use crate::state::ServiceState;
use crate::trace;
use crate::views::TransferView;
use crate::views::holds::{HoldChangeView, HoldPageView, HoldView};

/// A hold to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewHold)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldBody {
    /// The account that has the money.
    #[schema(value_type = Uuid)]
    account: AccountId,
    amount: AmountBody,
    /// The only account that captures may pay.
    #[schema(value_type = Option<Uuid>)]
    to: Option<AccountId>,
    /// The time at which the hold is over.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[serde(default)]
    description: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
}

/// A capture of a hold.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewCapture)]
#[serde(deny_unknown_fields)]
pub(super) struct CaptureBody {
    /// The amount; all that remains where it is left out.
    pub(super) amount: Option<AmountBody>,
    /// The account that is paid, if the hold names none.
    #[schema(value_type = Option<Uuid>)]
    pub(super) to: Option<AccountId>,
    /// Leaves the rest of the hold to later captures.
    #[serde(default)]
    pub(super) more_to_come: bool,
    #[serde(default)]
    pub(super) description: String,
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    pub(super) value_date: Option<String>,
}

/// A capture that names its hold.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewCaptureOfHold)]
#[serde(deny_unknown_fields)]
pub(super) struct CaptureOfHold {
    #[schema(value_type = Uuid)]
    hold: HoldId,
    /// The amount; all that remains where it is left out.
    amount: Option<AmountBody>,
    #[schema(value_type = Option<Uuid>)]
    to: Option<AccountId>,
    /// Leaves the rest of the hold to later captures.
    #[serde(default)]
    more_to_come: bool,
    #[serde(default)]
    description: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    value_date: Option<String>,
}

/// A release of a hold.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewRelease)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseBody {
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Box<RawValue>>,
}

/// A release that names its hold.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewReleaseOfHold)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseOfHold {
    #[schema(value_type = Uuid)]
    hold: HoldId,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
}

/// The terms of a capture or a release, and the hold that the request's address names.
struct Addressed<T> {
    hold: HoldId,
    terms: T,
}

impl<T> Addressed<T> {
    fn new(hold: Result<Path<String>, PathRejection>, terms: T) -> Result<Self, Problem> {
        let hold = identifier("hold_id", hold)?;
        Ok(Self { hold, terms })
    }
}

/// The account of a hold, which the caller has to be bound to, and all accounts that the hold names.
pub(super) type Parties = (Vec<AccountId>, Vec<AccountId>);

/// The most holds on a page.
const PAGE_MAX: u32 = 1_000;
/// The holds on a page without a limit of its own.
const PAGE: u32 = 100;

/// The parameters of a page of holds.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PageParameters {
    /// The most holds of the page, 100 where it is left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// Reserves an amount on an account.
#[utoipa::path(
    post,
    path = "/v1/holds",
    operation_id = "createHold",
    tag = "holds",
    params(IdempotencyKey),
    request_body = HoldBody,
    responses((status = 201, body = HoldChangeView, description = "The beginning of the hold.")),
)]
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, &[Scope::HoldsWrite], request).await?;
    received
        .execute(&state, &context, Ok::<HoldBody, Problem>)
        .await
}

/// Transfers an amount that a hold has reserved.
#[utoipa::path(
    post,
    path = "/v1/holds/{hold_id}/capture",
    operation_id = "captureHold",
    tag = "holds",
    params(("hold_id" = Uuid, Path), IdempotencyKey),
    request_body = CaptureBody,
    responses((status = 201, body = TransferView, description = "The posted transfer.")),
)]
pub(super) async fn capture(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    hold: Result<Path<String>, PathRejection>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, &[Scope::HoldsWrite], request).await?;
    let capture = |terms: CaptureBody| Addressed::new(hold, terms);
    received.execute(&state, &context, capture).await
}

/// Makes all that remains of a hold available again.
#[utoipa::path(
    post,
    path = "/v1/holds/{hold_id}/release",
    operation_id = "releaseHold",
    tag = "holds",
    params(("hold_id" = Uuid, Path), IdempotencyKey),
    request_body = ReleaseBody,
    responses((status = 200, body = HoldChangeView, description = "The end of the hold.")),
)]
pub(super) async fn release(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    hold: Result<Path<String>, PathRejection>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, &[Scope::HoldsWrite], request).await?;
    let release = |terms: ReleaseBody| Addressed::new(hold, terms);
    received.execute(&state, &context, release).await
}

/// Shows a hold.
#[utoipa::path(
    get,
    path = "/v1/holds/{hold_id}",
    operation_id = "showHold",
    tag = "holds",
    params(("hold_id" = Uuid, Path)),
    responses((status = 200, body = HoldView, description = "The hold.")),
)]
pub(super) async fn show(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    hold: Result<Path<String>, PathRejection>,
) -> Result<Json<HoldView>, Problem> {
    let caller = reader(&state, &headers, &context, &uri).await?;
    let call = Call {
        state: &state,
        context: &context,
        caller: &caller,
    };
    let (hold, visible) = find(call, identifier("hold_id", hold)?).await?;
    Ok(Json(HoldView::new(hold, &visible)))
}

/// Lists the open holds of an account, newest first.
#[utoipa::path(
    get,
    path = "/v1/accounts/{account_id}/holds",
    operation_id = "listOpenHolds",
    tag = "holds",
    params(("account_id" = Uuid, Path), PageParameters),
    responses((status = 200, body = HoldPageView, description = "A page of open holds.")),
)]
pub(super) async fn of_account(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
    account: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let caller = Caller::authorised(&state, &headers, &context, Scope::AccountsRead).await?;
    let given: PageParameters = query::read(&uri)?;
    let account: AccountId = identifier("account_id", account)?;
    let visible = caller.visible(&state, &context, [account]).await?;
    caller.require(&context, &visible, account)?;
    let limit = page_limit(given.limit)?;
    let mut filter = HoldFilter::new()
        .of_account(account)
        .with_status(HoldStatus::Open);
    let after: Option<HoldCursor> = parsed("after", given.after.as_deref())?;
    if let Some(cursor) = after {
        filter = filter.after(cursor);
    }
    let database = context.database(&state);
    // One more than the page shows whether there are more.
    let found = trace::database(holds::list(&database, &filter, limit.saturating_add(1))).await;
    let found = found.map_err(LedgerError::from)?;
    if found.is_empty()
        && trace::database(accounts::find(&database, account))
            .await?
            .is_none()
    {
        return Err(Problem::unknown_account(account));
    }
    let named: Vec<_> = found.iter().filter_map(|hold| hold.to_account_id).collect();
    let visible = caller
        .visible(&state, &context, named.into_iter().chain([account]))
        .await?;
    let view = HoldPageView::new(found, limit, &visible);
    let next = view.next().map(str::to_owned);
    Ok(page(&uri, view, next))
}

impl Prepare for HoldBody {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        call.caller
            .require_scope(call.context, &[Scope::HoldsWrite])?;
        let mut request =
            HoldRequest::new(self.account, self.amount.read()?).with_description(self.description);
        if let Some(to) = self.to {
            request = request.with_destination(to);
        }
        if let Some(end) = time(self.expires_at.as_deref(), "expires_at")? {
            request = request.with_expiry(end);
        }
        if let Some(metadata) = attributes(self.metadata.as_deref(), None)?.metadata {
            request = request.with_metadata(metadata);
        }
        Ok(Prepared::new(request, self.account))
    }
}

impl Prepare for CaptureOfHold {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        let terms = CaptureBody {
            amount: self.amount,
            to: self.to,
            more_to_come: self.more_to_come,
            description: self.description,
            metadata: self.metadata,
            value_date: self.value_date,
        };
        let hold = self.hold;
        Addressed { hold, terms }.prepare(call).await
    }
}

impl Prepare for ReleaseOfHold {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        let terms = ReleaseBody {
            metadata: self.metadata,
        };
        let hold = self.hold;
        Addressed { hold, terms }.prepare(call).await
    }
}

impl Prepare for Addressed<CaptureBody> {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        call.caller
            .require_scope(call.context, &[Scope::HoldsWrite])?;
        let parties = parties(call, self.hold).await?;
        self.terms.capture(self.hold.into(), parties)
    }
}

impl Prepare for Addressed<ReleaseBody> {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        call.caller
            .require_scope(call.context, &[Scope::HoldsWrite])?;
        let parties = parties(call, self.hold).await?;
        self.terms.release(ReleaseRequest::new(self.hold), parties)
    }
}

impl CaptureBody {
    /// Prepares the capture of a hold with these parties.
    pub(super) fn capture(
        self,
        hold: HoldReference,
        parties: Parties,
    ) -> Result<Prepared, Problem> {
        let mut request = CaptureRequest::of(hold).with_description(self.description);
        request.amount = optional_amount(self.amount.as_ref(), "amount")?;
        request.to = self.to;
        request.last = !self.more_to_come;
        request.attributes = attributes(self.metadata.as_deref(), self.value_date.as_deref())?;
        let (own, mut named) = parties;
        named.extend(self.to);
        Ok(Prepared {
            request: request.into(),
            own,
            named,
        })
    }
}

impl ReleaseBody {
    /// Prepares the release of a hold with these parties.
    pub(super) fn release(
        self,
        mut request: ReleaseRequest,
        (own, named): Parties,
    ) -> Result<Prepared, Problem> {
        if let Some(metadata) = attributes(self.metadata.as_deref(), None)?.metadata {
            request = request.with_metadata(metadata);
        }
        Ok(Prepared {
            request: request.into(),
            own,
            named,
        })
    }
}

/// Returns the parties of a hold. A key without bindings may use each, so nothing is looked up.
pub(super) async fn parties(call: Call<'_>, hold: HoldId) -> Result<Parties, Problem> {
    if !call.caller.is_bound() {
        return Ok((Vec::new(), Vec::new()));
    }
    let (hold, _) = find(call, hold).await?;
    let named = [Some(hold.account_id), hold.to_account_id];
    Ok((vec![hold.account_id], named.into_iter().flatten().collect()))
}

/// Returns a hold one of whose accounts the caller may use. The error is the same for a hold that
/// does not exist.
async fn find(call: Call<'_>, hold_id: HoldId) -> Result<(Hold, Visible), Problem> {
    let database = call.context.database(call.state);
    let unknown = || Problem::from(Rejection::UnknownHold { hold: hold_id });
    let found = trace::database(holds::find(&database, hold_id)).await;
    let hold = found.map_err(LedgerError::from)?.ok_or_else(unknown)?;
    let accounts = [Some(hold.account_id), hold.to_account_id];
    let accounts = accounts.into_iter().flatten();
    let visible = call
        .caller
        .visible(call.state, call.context, accounts.clone())
        .await?;
    if accounts.clone().any(|account| visible.has(account)) {
        Ok((hold, visible))
    } else {
        Err(unknown())
    }
}

fn page_limit(given: Option<u32>) -> Result<u32, Problem> {
    let limit = given.unwrap_or(PAGE);
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("limit is a whole number from 1 to {PAGE_MAX}.");
    Err(Problem::malformed("limit", detail))
}
