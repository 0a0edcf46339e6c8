//! Postings between a customer's account and an account of the bank itself.

use axum::Extension;
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{EntryType, PostingKind};
use neobank_domain::{AccountId, PostingRequest, shortened};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::movement::{AmountBody, Received, attributes, execute, receive};
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostingBody {
    account: AccountId,
    kind: KindBody,
    amount: AmountBody,
    #[serde(default)]
    description: String,
    metadata: Option<Box<RawValue>>,
    value_date: Option<String>,
}

/// The kind of a posting, with its direction.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct KindBody(PostingKind, EntryType);

impl TryFrom<String> for KindBody {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Ok(match name.as_str() {
            "deposit" => Self(PostingKind::External, EntryType::Credit),
            "withdrawal" => Self(PostingKind::External, EntryType::Debit),
            "interest_paid" => Self(PostingKind::Interest, EntryType::Credit),
            "interest_charged" => Self(PostingKind::Interest, EntryType::Debit),
            "fee" => Self(PostingKind::Fee, EntryType::Debit),
            "fee_returned" => Self(PostingKind::Fee, EntryType::Credit),
            _ => {
                return Err(format!(
                    "{:?} is not one of deposit, withdrawal, interest_paid, interest_charged, fee \
                     and fee_returned",
                    shortened(&name)
                ));
            }
        })
    }
}

/// Posts money into or out of a customer's account.
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, Scope::AdjustmentsWrite, request).await?;
    let Received::<PostingBody> { caller, key, given } = received;
    let KindBody(kind, direction) = given.kind;
    let mut request = PostingRequest::new(given.account, kind, direction, given.amount.read()?)
        .with_description(given.description)
        .with_idempotency_key(&key);
    request.attributes = attributes(given.metadata.as_deref(), given.value_date.as_deref())?;
    execute(
        &state,
        &context,
        (caller, key),
        given.account,
        request.into(),
    )
    .await
}
