//! Postings between a customer's account and an account of the bank itself.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{EntryType, PostingKind};
use neobank_domain::{AccountId, PostingRequest};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::movement::{AmountBody, attributes, execute};
use crate::access::Caller;
use crate::body;
use crate::context::{Context, idempotency_key, without_parameters};
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
    headers: HeaderMap,
    uri: Uri,
    content: Body,
) -> Result<Response, Problem> {
    let caller = Caller::authorised(&state, &headers, &context, Scope::TransfersWrite).await?;
    without_parameters(&uri)?;
    let key = idempotency_key(&headers)?;
    let given: PostingBody = body::read(&headers, content, state.limits()).await?;
    let (kind, direction) = given.kind.parts();
    let mut request = PostingRequest::new(given.account, kind, direction, given.amount.read()?)
        .with_description(given.description)
        .with_idempotency_key(&key);
    request.attributes = attributes(given.metadata.as_deref(), given.value_date.as_deref())?;
    caller.require(&state, &context, given.account).await?;
    execute(&state, &context, &caller, request.into(), key).await
}
