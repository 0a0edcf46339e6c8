//! Currency exchanges over the bank's positions.

use axum::Extension;
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;
use neobank_domain::AccountId;
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{ExchangeError, ExchangeRequest, Given, Rounding};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::members::{AmountBody, Object, attributes, optional_amount, time};
use super::movement::{Call, IdempotencyKey, Prepare, Prepared, receive};
use super::operations::only;
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::views::groups::GroupView;

/// An exchange, which has one of `sold` and `bought`. The other side is computed.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewExchange)]
#[serde(deny_unknown_fields)]
pub(super) struct ExchangeBody {
    /// The customer's account that pays the sold amount.
    #[schema(value_type = Uuid)]
    from: AccountId,
    /// The customer's account that gets the bought amount.
    #[schema(value_type = Uuid)]
    to: AccountId,
    sold: Option<AmountBody>,
    bought: Option<AmountBody>,
    /// The code of the currency of the computed side.
    #[schema(example = "EUR")]
    currency: String,
    /// The units of the bought currency for one unit of the sold currency.
    #[schema(example = "0.0399")]
    rate: String,
    #[serde(default)]
    rounding: RoundingBody,
    #[schema(value_type = Option<QuoteBody>)]
    quote: Option<Object<QuoteBody>>,
    /// The bank's spread, which the account `from` pays as a fee.
    spread: Option<AmountBody>,
    #[serde(default)]
    description: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    value_date: Option<String>,
}

/// The rounding of the computed side.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[schema(as = Rounding)]
#[serde(rename_all = "snake_case")]
enum RoundingBody {
    /// A bought amount down and a sold amount up.
    #[default]
    InTheBanksFavour,
    /// To the nearest amount, and halves away from zero.
    HalfUp,
}

/// The quote that a rate comes from.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Quote)]
#[serde(deny_unknown_fields)]
struct QuoteBody {
    /// The quote's name.
    id: String,
    /// The time from which the exchange is rejected.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Sells an amount of one currency for another.
#[utoipa::path(
    post,
    path = "/v1/exchanges",
    operation_id = "createExchange",
    tag = "groups",
    params(IdempotencyKey),
    request_body = ExchangeBody,
    responses((status = 201, body = GroupView, description = "The group of the exchange: the sold \
        amount, the bought amount and the spread.")),
)]
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, &[Scope::AdjustmentsWrite], request).await?;
    received
        .execute(&state, &context, Ok::<ExchangeBody, Problem>)
        .await
}

impl Prepare for ExchangeBody {
    /// Prepares the exchange. The caller names the rate, so it needs the scope of postings and a
    /// binding to both accounts.
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        let Call {
            context, caller, ..
        } = call;
        caller.require_scope(context, &[Scope::AdjustmentsWrite])?;
        let sold = optional_amount(self.sold.as_ref(), "sold")?.map(Given::Sold);
        let bought = optional_amount(self.bought.as_ref(), "bought")?.map(Given::Bought);
        let given = only([sold, bought], "sold and bought")?;
        let (from, to) = (self.from, self.to);
        let mut request = ExchangeRequest::new(from, to, given, self.currency, rate(&self.rate)?)
            .with_rounding(self.rounding.into())
            .with_description(self.description);
        if let Some(Object(quote)) = self.quote {
            let end = time(Some(&quote.expires_at), "quote.expires_at")?;
            if let Some(end) = end {
                request = request.with_quote(quote.id, end);
            }
        }
        request.spread = optional_amount(self.spread.as_ref(), "spread")?;
        request.attributes = attributes(self.metadata.as_deref(), self.value_date.as_deref())?;
        let group = request.into_group().map_err(|error| problem(&error))?;
        let mut prepared = Prepared::new(group, from);
        prepared.own.push(to);
        Ok(prepared)
    }
}

impl From<RoundingBody> for Rounding {
    fn from(rounding: RoundingBody) -> Self {
        match rounding {
            RoundingBody::InTheBanksFavour => Self::InTheBanksFavour,
            RoundingBody::HalfUp => Self::HalfUp,
        }
    }
}

/// Reads a rate, whose range the ledger checks.
fn rate(text: &str) -> Result<Decimal, Problem> {
    let wrong = || Problem::invalid("rate", "A rate is a text such as \"0.0399\".");
    Decimal::from_str_exact(text).map_err(|_| wrong())
}

fn problem(error: &ExchangeError) -> Problem {
    let field = match error {
        ExchangeError::Rate { .. } => "rate",
        ExchangeError::Reserved { .. } | ExchangeError::Metadata(_) => "metadata",
        _ => "currency",
    };
    Problem::invalid(field, error.to_string())
}
