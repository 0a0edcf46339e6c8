//! The body of one request of a batch.

use serde::Deserialize;
use utoipa::ToSchema;

use super::super::exchanges::ExchangeBody;
use super::super::groups::GroupBody;
use super::super::holds::{CaptureOfHold, HoldBody, ReleaseOfHold};
use super::super::members::Object;
use super::super::operations::{Operation, kind, only};
use super::super::postings::PostingBody;
use super::super::reversals::ReversalOfTransfer;
use super::super::transfers::TransferBody;
use crate::body;
use crate::problem::Problem;

/// One request of a batch: its key, and one member with the name of its kind.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewRequest)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestBody {
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: String,
    #[schema(value_type = Option<TransferBody>)]
    transfer: Option<Object<TransferBody>>,
    #[schema(value_type = Option<PostingBody>)]
    posting: Option<Object<PostingBody>>,
    #[schema(value_type = Option<ReversalOfTransfer>)]
    reversal: Option<Object<ReversalOfTransfer>>,
    #[schema(value_type = Option<HoldBody>)]
    hold: Option<Object<HoldBody>>,
    #[schema(value_type = Option<CaptureOfHold>)]
    capture: Option<Object<CaptureOfHold>>,
    #[schema(value_type = Option<ReleaseOfHold>)]
    release: Option<Object<ReleaseOfHold>>,
    #[schema(value_type = Option<GroupBody>)]
    group: Option<Object<GroupBody>>,
    #[schema(value_type = Option<ExchangeBody>)]
    exchange: Option<Object<ExchangeBody>>,
}

const KINDS: &str = "transfer, posting, reversal, hold, capture, release, group and exchange";

/// Reads one request and its key.
pub(super) fn read(request: &[u8]) -> Result<(String, Operation), Problem> {
    let body: RequestBody = body::parse(request)?;
    if body.idempotency_key.trim().is_empty() {
        let detail = "A request that moves money needs a key, so that it can be repeated.";
        return Err(Problem::invalid("idempotency_key", detail));
    }
    let kinds = [
        kind(body.transfer, Operation::Transfer),
        kind(body.posting, Operation::Posting),
        kind(body.reversal, Operation::Reversal),
        kind(body.hold, Operation::Hold),
        kind(body.capture, Operation::Capture),
        kind(body.release, Operation::Release),
        kind(body.group, Operation::Group),
        kind(body.exchange, Operation::Exchange),
    ];
    Ok((body.idempotency_key, only(kinds, KINDS)?))
}
