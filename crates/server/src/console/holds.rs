//! Holds: their list, the page of one, and its capture and release.

mod pages;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{
    CaptureRequest, Hold, HoldCursor, HoldFilter, HoldStatus, Outcome, ReleaseRequest, holds,
};
use neobank_domain::{AccountId, HoldId, LedgerError, Money, Request};
use serde::Deserialize;
use uuid::Uuid;

use super::error::PageError;
use super::form::{Arrival, Parameters, Posted};
use super::visit::Visit;
use crate::problem::Problem;
use crate::trace;
pub(super) use pages::table;
use pages::{CaptureErrors, Forms};

/// The holds of one page.
const HOLDS: usize = 50;

/// The conditions of a list.
#[derive(Clone, Deserialize)]
#[serde(default)]
pub(super) struct Conditions {
    account: String,
    status: String,
    after: String,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            account: String::new(),
            status: HoldStatus::Open.as_str().to_owned(),
            after: String::new(),
        }
    }
}

/// Lists holds, the newest first.
pub(super) async fn list(
    visit: Visit,
    Parameters(conditions): Parameters<Conditions>,
) -> Result<Response, PageError> {
    visit.require(Scope::AccountsRead)?;
    let mut filter = HoldFilter::new();
    if let Ok(status) = conditions.status.parse::<HoldStatus>() {
        filter = filter.with_status(status);
    }
    if !conditions.after.is_empty() {
        let cursor = conditions.after.parse::<HoldCursor>();
        let cursor = cursor.map_err(|error| PageError::malformed("after", error.to_string()))?;
        filter = filter.after(cursor);
    }
    let mut filters = Vec::new();
    let mut error = None;
    if !conditions.account.trim().is_empty() {
        match visit.account_named(&conditions.account).await? {
            Some(account) => filters.push(filter.of_account(account.account_id)),
            None => error = Some("There is no such account, or the key may not see it."),
        }
    } else if visit.is_unbound() {
        filters.push(filter);
    } else {
        let own = visit.own_accounts().await?;
        filters.extend(
            own.iter()
                .map(|one| filter.clone().of_account(one.account_id)),
        );
    }
    let (found, next) = read(&visit, &filters).await?;
    Ok(pages::list(&visit, &conditions, error, &found, next))
}

/// Reads one page of the holds that pass one of the filters.
async fn read(
    visit: &Visit,
    filters: &[HoldFilter],
) -> Result<(Vec<Hold>, Option<HoldCursor>), PageError> {
    let limit = u32::try_from(HOLDS + 1).unwrap_or(u32::MAX);
    let mut found = Vec::new();
    for filter in filters {
        found.extend(holds::list(&visit.database(), filter, limit).await?);
    }
    found.sort_by_key(|hold| std::cmp::Reverse((hold.authorised_at, hold.hold_id)));
    let has_more = found.len() > HOLDS;
    found.truncate(HOLDS);
    let next = found.last().filter(|_| has_more).map(HoldCursor::from);
    Ok((found, next))
}

pub(super) async fn show(
    visit: Visit,
    Path(hold): Path<String>,
    Parameters(arrival): Parameters<Arrival>,
) -> Result<Response, PageError> {
    visit.require(Scope::AccountsRead)?;
    let hold = find(&visit, &hold).await?;
    let forms = Forms::new(&hold);
    pages::show(&visit, &hold, &forms, arrival.done == "released").await
}

/// The form of a capture.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Capture {
    key: String,
    amount: String,
    to: String,
    /// Set to leave the rest of the hold to later captures.
    keep: String,
    description: String,
}

pub(super) async fn capture(
    Path(hold): Path<String>,
    Posted(visit, given): Posted<Capture>,
) -> Result<Response, PageError> {
    visit.require(Scope::HoldsWrite)?;
    let hold = find(&visit, &hold).await?;
    check_key(&given.key)?;
    let mut forms = Forms::new(&hold);
    forms.capture = given.clone();
    let (amount, to) = match checked(&visit, &hold, &given).await? {
        Ok(checked) => checked,
        Err(errors) => {
            forms.errors = errors;
            let page = pages::show(&visit, &hold, &forms, false).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let mut request = CaptureRequest::new(hold.hold_id)
        .with_amount(amount)
        .with_description(given.description.trim())
        .with_idempotency_key(&given.key);
    if let Some(to) = to {
        request = request.with_destination(to);
    }
    if !given.keep.is_empty() {
        request = request.more_to_come();
    }
    let others = hold.to_account_id.or(to);
    execute(&visit, &hold, forms, request.into(), others).await
}

/// The form of a release.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Release {
    key: String,
}

pub(super) async fn release(
    Path(hold): Path<String>,
    Posted(visit, given): Posted<Release>,
) -> Result<Response, PageError> {
    visit.require(Scope::HoldsWrite)?;
    let hold = find(&visit, &hold).await?;
    check_key(&given.key)?;
    let request = ReleaseRequest::new(hold.hold_id).with_idempotency_key(&given.key);
    let mut forms = Forms::new(&hold);
    forms.release_key = given.key;
    let others = hold.to_account_id;
    execute(&visit, &hold, forms, request.into(), others).await
}

/// Executes the request, and shows the hold again with the reason where it is rejected.
async fn execute(
    visit: &Visit,
    hold: &Hold,
    mut forms: Forms,
    request: Request,
    other: Option<AccountId>,
) -> Result<Response, PageError> {
    let accounts = other.into_iter().chain([hold.account_id]);
    let visible = visit.visible(accounts).await?;
    let problem = match trace::group_commit(visit.ledger().outcome(request)).await {
        Ok(Outcome::Posted(receipt)) => return Ok(transfer(receipt.transfer_id, "posted")),
        Ok(Outcome::Replayed(receipt)) => return Ok(transfer(receipt.transfer_id, "replayed")),
        Ok(_) => {
            let page = format!("/console/holds/{}?done=released", hold.hold_id);
            return Ok(Redirect::to(&page).into_response());
        }
        Err(LedgerError::Rejected(rejection)) => Problem::from(rejection),
        Err(error) => Problem::from(error),
    };
    let problem = problem.shown_to(&visible);
    let status = problem.status_code();
    forms.problem = Some(problem);
    // The hold as it is now, which may be the reason.
    let hold = find(visit, &hold.hold_id.to_string()).await?;
    let page = pages::show(visit, &hold, &forms, false).await?;
    Ok((status, page).into_response())
}

fn transfer(transfer: neobank_domain::TransferId, done: &str) -> Response {
    Redirect::to(&format!("/console/transfers/{transfer}?done={done}")).into_response()
}

async fn checked(
    visit: &Visit,
    hold: &Hold,
    given: &Capture,
) -> Result<Result<(Money, Option<AccountId>), CaptureErrors>, PageError> {
    let mut errors = CaptureErrors::default();
    let currency = hold.amount.currency();
    let amount = Money::parse(given.amount.trim(), currency).ok();
    if !amount.is_some_and(Money::is_positive) {
        let error = format!("This is no amount in {currency}, such as 1250.50.");
        errors.amount = Some(error);
    }
    let mut to = None;
    if hold.to_account_id.is_none() {
        to = match visit.account_named(&given.to).await? {
            Some(account) => Some(account.account_id),
            None if visit.is_unbound() => None,
            None => given.to.trim().parse().ok(),
        };
        if to.is_none() {
            errors.to = Some("There is no such account. Enter a number or an identifier.");
        }
    }
    match amount {
        Some(amount) if errors.is_none() => Ok(Ok((amount, to))),
        _ => Ok(Err(errors)),
    }
}

/// Returns a hold on an account that the caller may see.
async fn find(visit: &Visit, hold: &str) -> Result<Hold, PageError> {
    let unknown = || PageError::not_found("hold");
    let hold: HoldId = hold.parse().map_err(|_| unknown())?;
    let found = holds::find(&visit.database(), hold).await?;
    let hold = found.ok_or_else(unknown)?;
    if visit.visible([hold.account_id]).await?.has(hold.account_id) {
        return Ok(hold);
    }
    Err(unknown())
}

fn new_key() -> String {
    format!("console/{}", Uuid::now_v7())
}

fn check_key(key: &str) -> Result<(), PageError> {
    let identifier = key.strip_prefix("console/");
    if identifier.is_some_and(|text| text.parse::<Uuid>().is_ok()) {
        return Ok(());
    }
    Err(PageError::malformed(
        "key",
        "The form has lost its key. Open it again.",
    ))
}
