//! Reversals: the money of an earlier transfer moves back.

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::response::Response;
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::ReversalRequest;
use neobank_domain::transfers::{self, Transfer};
use neobank_domain::{Rejection, TransferId, accounts};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::identifier;
use super::members::{AmountBody, attributes, optional_amount};
use super::movement::{Call, IdempotencyKey, Prepare, Prepared, receive};
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::trace;
use crate::views::TransferView;

/// A reversal of a transfer.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewReversal)]
#[serde(deny_unknown_fields)]
struct ReversalBody {
    /// The amount; all that earlier reversals have left where it is left out.
    amount: Option<AmountBody>,
    #[serde(default)]
    description: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    value_date: Option<String>,
}

/// A reversal that names its transfer.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewReversalOfTransfer)]
#[serde(deny_unknown_fields)]
pub(super) struct ReversalOfTransfer {
    /// The transfer to reverse.
    #[schema(value_type = Uuid)]
    transfer: TransferId,
    /// The amount; all that earlier reversals have left where it is left out.
    amount: Option<AmountBody>,
    #[serde(default)]
    description: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    value_date: Option<String>,
}

/// The scopes one of which a reversal needs. The transfer decides which.
pub(super) const SCOPES: [Scope; 2] = [Scope::TransfersWrite, Scope::AdjustmentsWrite];

/// Moves the money of an earlier transfer back, in whole or in part.
#[utoipa::path(
    post,
    path = "/v1/transfers/{transfer_id}/reversals",
    operation_id = "createReversal",
    tag = "transfers",
    params(("transfer_id" = Uuid, Path), IdempotencyKey),
    request_body = ReversalBody,
    responses((status = 201, body = TransferView, description = "The transfer that moves the money back.")),
)]
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    transfer: Result<Path<String>, PathRejection>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, &SCOPES, request).await?;
    let reversal = |given: ReversalBody| {
        Ok(ReversalOfTransfer {
            transfer: identifier("transfer_id", transfer)?,
            amount: given.amount,
            description: given.description,
            metadata: given.metadata,
            value_date: given.value_date,
        })
    };
    received.execute(&state, &context, reversal).await
}

impl ReversalOfTransfer {
    /// Returns the rejection of a transfer that the caller may not use or that does not exist.
    pub(super) const fn unknown(&self) -> Rejection {
        Rejection::UnknownTransfer {
            transfer: self.transfer,
        }
    }
}

impl Prepare for ReversalOfTransfer {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        call.caller.require_scope(call.context, &SCOPES)?;
        let mut request = ReversalRequest::new(self.transfer).with_description(self.description);
        request.amount = optional_amount(self.amount.as_ref(), "amount")?;
        request.attributes = attributes(self.metadata.as_deref(), self.value_date.as_deref())?;
        let database = call.context.database(call.state);
        let found = trace::database(transfers::find(&database, self.transfer)).await?;
        let original = found.ok_or_else(|| unknown(self.transfer))?;
        prepare(call, &original, request).await
    }
}

/// Prepares the reversal of a transfer that was found.
///
/// The reversal of a transfer between customers needs `transfers:write` and a binding to the account
/// that gives the money back. The reversal of a posting moves the bank's money as a posting does, so
/// it needs `adjustments:write` and a binding to the customer's account.
pub(super) async fn prepare(
    call: Call<'_>,
    original: &Transfer,
    request: ReversalRequest,
) -> Result<Prepared, Problem> {
    let sides = [original.debit.account_id, original.credit.account_id];
    let Call {
        state,
        context,
        caller,
    } = call;
    let visible = caller.visible(state, context, sides).await?;
    if !sides.into_iter().any(|account| visible.has(account)) {
        return Err(unknown(original.transfer_id));
    }
    let [payer, payee] = sides;
    let (scope, own) = if accounts::is_reserved(payee) {
        (Scope::AdjustmentsWrite, payer)
    } else if accounts::is_reserved(payer) {
        (Scope::AdjustmentsWrite, payee)
    } else {
        (Scope::TransfersWrite, payee)
    };
    caller.require_scope(context, &[scope])?;
    Ok(Prepared {
        request: request.into(),
        own: vec![own],
        named: sides.to_vec(),
    })
}

fn unknown(transfer: TransferId) -> Problem {
    Rejection::UnknownTransfer { transfer }.into()
}
