//! The form for a transfer: its fields, a preview of both balances, and the confirmation.
//!
//! The idempotency key is made when the form is first shown and stays with it, so that a double
//! click, a reload or a second confirmation moves the money once.

mod check;
mod pages;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use neobank_domain::api_keys::Scope;
use neobank_domain::{TransferRequest, transfers};
use serde::Deserialize;
use uuid::Uuid;

use super::error::PageError;
use super::form::{Parameters, Posted};
use super::visit::Visit;
use crate::problem::Problem;
use crate::trace;
use check::{Errors, Order};
use pages::Message;

/// The beginning of the idempotency keys of the console.
const KEY_PREFIX: &str = "console/";

/// The fields of the form, as they were sent.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    key: String,
    from: String,
    to: String,
    amount: String,
    description: String,
    /// The payer's version in the preview.
    version: String,
    /// The payer's balance in the preview.
    seen: String,
}

impl Fields {
    fn check_key(&self) -> Result<(), PageError> {
        let identifier = self.key.strip_prefix(KEY_PREFIX);
        let is_ours = identifier.is_some_and(|text| text.parse::<Uuid>().is_ok());
        if is_ours {
            return Ok(());
        }
        Err(PageError::malformed(
            "key",
            "The form has lost its key. Open it again.",
        ))
    }
}

/// Shows the empty form, or with the accounts of the address.
pub(super) async fn form(
    visit: Visit,
    Parameters(mut fields): Parameters<Fields>,
) -> Result<Response, PageError> {
    require(&visit)?;
    fields.key = format!("{KEY_PREFIX}{}", Uuid::now_v7());
    Ok(pages::form(&visit, &fields, &Errors::default()))
}

/// Shows the form again with its values.
pub(super) async fn edit(Posted(visit, fields): Posted<Fields>) -> Result<Response, PageError> {
    require(&visit)?;
    fields.check_key()?;
    Ok(pages::form(&visit, &fields, &Errors::default()))
}

/// Shows both balances now and afterwards, or the form with its errors.
pub(super) async fn preview(Posted(visit, fields): Posted<Fields>) -> Result<Response, PageError> {
    require(&visit)?;
    fields.check_key()?;
    match check::order(&visit, &fields, true).await? {
        Ok(order) => Ok(pages::preview(&visit, &order, &Message::None)),
        Err(errors) => Ok(pages::with_errors(&visit, &fields, &errors)),
    }
}

/// Moves the money, unless the payer's account has changed since the preview.
pub(super) async fn confirm(Posted(visit, fields): Posted<Fields>) -> Result<Response, PageError> {
    require(&visit)?;
    fields.check_key()?;
    let mut order = check::order(&visit, &fields, true).await?;
    // Read behind the accounts: what has changed them is found.
    let earlier = transfers::find_by_idempotency_key(&visit.database(), &fields.key).await?;
    let is_new = earlier.is_none();
    if !is_new {
        order = check::order(&visit, &fields, false).await?;
    }
    let order = match order {
        Ok(order) => order,
        Err(errors) => return Ok(pages::with_errors(&visit, &fields, &errors)),
    };
    if is_new && order.payer.version.to_string() != fields.version {
        let changed = Message::Changed(fields.seen.parse().ok());
        let page = pages::preview(&visit, &order, &changed);
        return Ok((StatusCode::CONFLICT, page).into_response());
    }
    execute(&visit, order).await
}

async fn execute(visit: &Visit, order: Order) -> Result<Response, PageError> {
    let (from, to) = (order.payer.account_id, order.payee.account_id());
    let request = TransferRequest::new(from, to, order.amount)
        .with_description(order.fields.description.trim())
        .with_idempotency_key(&order.fields.key);
    let visible = visit.visible([from, to]).await?;
    let outcome = trace::group_commit(visit.ledger().outcome(request)).await;
    let problem = match outcome {
        Ok(outcome) => {
            let done = if outcome.is_replayed() {
                "replayed"
            } else {
                "posted"
            };
            match outcome.into_receipt() {
                Ok(receipt) => {
                    let page = format!("/console/transfers/{}?done={done}", receipt.transfer_id);
                    return Ok(Redirect::to(&page).into_response());
                }
                Err(rejection) => Problem::from(rejection),
            }
        }
        Err(error) => Problem::from(error),
    };
    let problem = problem.shown_to(&visible);
    let page = pages::preview(visit, &order, &Message::Failed(&problem));
    Ok((problem.status_code(), page).into_response())
}

fn require(visit: &Visit) -> Result<(), PageError> {
    visit.require(Scope::TransfersWrite)?;
    visit.require(Scope::AccountsRead)
}
