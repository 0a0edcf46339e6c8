//! Postings between a customer's account and an account of the bank itself.

use axum::Extension;
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{EntryType, PostingKind};
use neobank_domain::{AccountId, PostingRequest};
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
#[serde(rename_all = "snake_case")]
enum KindBody {
    Deposit,
    Withdrawal,
    InterestPaid,
    InterestCharged,
    Fee,
    FeeReturned,
}

impl KindBody {
    const fn parts(self) -> (PostingKind, EntryType) {
        match self {
            Self::Deposit => (PostingKind::External, EntryType::Credit),
            Self::Withdrawal => (PostingKind::External, EntryType::Debit),
            Self::InterestPaid => (PostingKind::Interest, EntryType::Credit),
            Self::InterestCharged => (PostingKind::Interest, EntryType::Debit),
            Self::Fee => (PostingKind::Fee, EntryType::Debit),
            Self::FeeReturned => (PostingKind::Fee, EntryType::Credit),
        }
    }
}

/// Posts money into or out of a customer's account.
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, Scope::TransfersWrite, request).await?;
    let Received::<PostingBody> { caller, key, given } = received;
    let (kind, direction) = given.kind.parts();
    let mut request = PostingRequest::new(given.account, kind, direction, given.amount.read()?)
        .with_description(given.description)
        .with_idempotency_key(&key);
    request.attributes = attributes(given.metadata.as_deref(), given.value_date.as_deref())?;
    caller.require(&state, &context, given.account).await?;
    execute(&state, &context, &caller, request.into(), key).await
}
