//! Postings between a customer's account and an account of the bank itself.

use std::borrow::Cow;

use axum::Extension;
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{EntryType, PostingKind};
use neobank_domain::{AccountId, PostingRequest, shortened};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::members::{AmountBody, attributes};
use super::movement::{Call, IdempotencyKey, Prepare, Prepared, receive};
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::views::TransferView;

/// A posting between a customer's account and one of the bank itself.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewPosting)]
#[serde(deny_unknown_fields)]
pub(super) struct PostingBody {
    /// The customer's account.
    #[schema(value_type = Uuid)]
    account: AccountId,
    kind: KindBody,
    amount: AmountBody,
    #[serde(default)]
    description: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    value_date: Option<String>,
}

/// The kind of a posting, with its direction.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct KindBody(PostingKind, EntryType);

/// The names of the kinds.
const KINDS: [(&str, KindBody); 6] = [
    (
        "deposit",
        KindBody(PostingKind::External, EntryType::Credit),
    ),
    (
        "withdrawal",
        KindBody(PostingKind::External, EntryType::Debit),
    ),
    (
        "interest_paid",
        KindBody(PostingKind::Interest, EntryType::Credit),
    ),
    (
        "interest_charged",
        KindBody(PostingKind::Interest, EntryType::Debit),
    ),
    ("fee", KindBody(PostingKind::Fee, EntryType::Debit)),
    (
        "fee_returned",
        KindBody(PostingKind::Fee, EntryType::Credit),
    ),
];

impl TryFrom<String> for KindBody {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        let found = KINDS.iter().find(|(name, _)| *name == given);
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let names = KINDS.map(|(name, _)| name).join(", ");
            format!("{:?} is not one of {names}", shortened(&given))
        })
    }
}

impl utoipa::PartialSchema for KindBody {
    fn schema() -> RefOr<Schema> {
        let names = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(KINDS.map(|(name, _)| name)));
        names.into()
    }
}

impl ToSchema for KindBody {
    fn name() -> Cow<'static, str> {
        "PostingKind".into()
    }
}

/// Posts money into or out of a customer's account.
#[utoipa::path(
    post,
    path = "/v1/postings",
    operation_id = "createPosting",
    tag = "transfers",
    params(IdempotencyKey),
    request_body = PostingBody,
    responses((status = 201, body = TransferView, description = "The posted transfer.")),
)]
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let received = receive(&state, &context, &[Scope::AdjustmentsWrite], request).await?;
    received
        .execute(&state, &context, Ok::<PostingBody, Problem>)
        .await
}

impl Prepare for PostingBody {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        call.caller
            .require_scope(call.context, &[Scope::AdjustmentsWrite])?;
        let KindBody(kind, direction) = self.kind;
        let mut request = PostingRequest::new(self.account, kind, direction, self.amount.read()?)
            .with_description(self.description);
        request.attributes = attributes(self.metadata.as_deref(), self.value_date.as_deref())?;
        Ok(Prepared::new(request, self.account))
    }
}
