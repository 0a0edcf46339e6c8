//! The common part of requests that move money: their start, their members and their answer.

use std::fmt;

use axum::Json;
use axum::extract::Request as HttpRequest;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{Attributes, Metadata};
use neobank_domain::{AccountId, Currency, Money, MoneyError, Rejection, Request};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::access::Caller;
use crate::body;
use crate::context::{Context, idempotency_key, without_parameters};
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::views::TransferView;

/// The header that tells the answer of an earlier request from a new one.
const REPLAYED: &str = "idempotency-replayed";

/// The header of every request that moves money.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only describes the header")]
pub(super) struct IdempotencyKey {
    /// The caller's own name of the request: the money moves once however often it is sent.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    idempotency_key: String,
}

/// A request that moves money: its caller, its idempotency key and its body.
pub(super) struct Received<T> {
    pub(super) caller: Caller,
    pub(super) key: String,
    pub(super) given: T,
}

/// Reads a request that moves money and needs a scope.
pub(super) async fn receive<T: DeserializeOwned>(
    state: &ServiceState,
    context: &Context,
    scope: Scope,
    request: HttpRequest,
) -> Result<Received<T>, Problem> {
    let (parts, content) = request.into_parts();
    let caller = Caller::authorised(state, &parts.headers, context, scope).await?;
    without_parameters(&parts.uri)?;
    let key = idempotency_key(&parts.headers)?;
    let given = body::read(&parts.headers, content, state.limits()).await?;
    Ok(Received { caller, key, given })
}

/// An amount: a text with the number, and the currency.
#[derive(Debug, ToSchema)]
#[schema(as = GivenAmount)]
pub(super) struct AmountBody {
    /// The number, in major units, with at most the decimals of the currency.
    #[schema(example = "250.00")]
    amount: String,
    /// The code of ISO 4217.
    #[schema(example = "CZK")]
    currency: String,
}

/// Reads an object; the derived reader would also take an array.
impl<'de> Deserialize<'de> for AmountBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AmountVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountMembers {
    amount: String,
    currency: String,
}

struct AmountVisitor;

impl<'de> Visitor<'de> for AmountVisitor {
    type Value = AmountBody;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with amount and currency")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<AmountBody, A::Error> {
        let members = AmountMembers::deserialize(MapAccessDeserializer::new(members))?;
        Ok(AmountBody {
            amount: members.amount,
            currency: members.currency,
        })
    }
}

impl AmountBody {
    pub(super) fn read(&self) -> Result<Money, Problem> {
        let problem = |field: &'static str| {
            move |error: MoneyError| Problem::from(Rejection::from(error)).with_field(field)
        };
        let currency = Currency::from_code(&self.currency).map_err(problem("amount.currency"))?;
        Money::parse(&self.amount, currency).map_err(problem("amount.amount"))
    }
}

/// Reads metadata and value date.
pub(super) fn attributes(
    metadata: Option<&RawValue>,
    value_date: Option<&str>,
) -> Result<Attributes, Problem> {
    let mut attributes = Attributes::default();
    if let Some(metadata) = metadata.filter(|metadata| metadata.get() != "null") {
        let read = metadata.get().parse::<Metadata>();
        let read = read.map_err(|error| Problem::invalid("metadata", error.to_string()))?;
        attributes.metadata = Some(read);
    }
    if let Some(date) = value_date {
        let wrong = || Problem::invalid("value_date", "A value date is a day such as 2026-11-30.");
        attributes.value_date = Some(date.parse().map_err(|_| wrong())?);
    }
    Ok(attributes)
}

/// Executes a request that makes one transfer from or for an account of the caller, and answers with
/// its receipt.
pub(super) async fn execute(
    state: &ServiceState,
    context: &Context,
    (caller, key): (Caller, String),
    own: AccountId,
    request: Request,
) -> Result<Response, Problem> {
    let accounts: Vec<_> = request.accounts().collect();
    let visible = caller.visible(state, context, accounts).await?;
    caller.require(context, &visible, own)?;
    let outcome = caller.ledger(state, context).outcome(request).await;
    let outcome = outcome.map_err(|error| Problem::from(error).shown_to(&visible))?;
    let is_replayed = outcome.is_replayed();
    let receipt = outcome.into_receipt();
    let receipt = receipt.map_err(|rejection| Problem::from(rejection).shown_to(&visible))?;
    let mut view = TransferView::from(&receipt);
    view.idempotency_key = Some(key);
    view.hide(&visible);
    let location = format!("/v1/transfers/{}", view.transfer_id);
    let replayed = if is_replayed { "true" } else { "false" };
    let headers = [("location", location), (REPLAYED, replayed.to_owned())];
    Ok((StatusCode::CREATED, headers, Json(view)).into_response())
}
