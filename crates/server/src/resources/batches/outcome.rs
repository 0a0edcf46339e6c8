//! The outcome of one request of a batch.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::movement::{Call, Posted};
use super::super::operations::Operation;
use super::read::read;
use crate::context::Context;
use crate::problem::{IdentifiedProblem, Problem, ProblemDocument};
use crate::views::TransferView;
use crate::views::groups::GroupView;
use crate::views::holds::HoldChangeView;

/// The outcome of one request: its result, or its problem.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Outcome)]
pub(super) struct OutcomeView {
    /// The status that the request would have had on its own.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_replayed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<TransferView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldChangeView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<GroupView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemDocument<'_>>)]
    problem: Option<IdentifiedProblem>,
}

impl OutcomeView {
    /// Reads and executes a request.
    pub(super) async fn of(call: Call<'_>, request: &[u8]) -> Self {
        let context = call.context;
        let (key, operation) = match read(request) {
            Ok(read) => read,
            Err(problem) => return Self::failed(None, problem, context),
        };
        match execute(call, &key, operation).await {
            Ok((is_replayed, posted)) => Self::posted(key, is_replayed, posted),
            Err(problem) => Self::failed(Some(key), problem, context),
        }
    }

    fn posted(key: String, is_replayed: bool, posted: Posted) -> Self {
        let mut view = Self::new(posted.status(), Some(key));
        view.idempotency_replayed = Some(is_replayed);
        match posted {
            Posted::Transfer(transfer) => view.transfer = Some(transfer),
            Posted::Hold(hold) => view.hold = Some(hold),
            Posted::Group(group) => view.group = Some(group),
        }
        view
    }

    pub(super) fn failed(key: Option<String>, problem: Problem, context: &Context) -> Self {
        problem.log(&context.request_id, context.trace_id);
        let mut view = Self::new(problem.status_code(), key);
        view.problem = Some(problem.identified(&context.request_id));
        view
    }

    fn new(status: StatusCode, key: Option<String>) -> Self {
        Self {
            status: status.as_u16(),
            idempotency_key: key,
            idempotency_replayed: None,
            transfer: None,
            hold: None,
            group: None,
            problem: None,
        }
    }
}

async fn execute(
    call: Call<'_>,
    key: &str,
    operation: Operation,
) -> Result<(bool, Posted), Problem> {
    let prepared = operation.prepare(call).await?;
    let done = prepared.execute(call, key.to_owned()).await?;
    Ok((done.is_replayed(), done.into_posted()?))
}
