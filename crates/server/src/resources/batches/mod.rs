//! Batches: independent requests, each with its own idempotency key and its own outcome.

mod outcome;
mod read;
mod stream;

use std::sync::Arc;

use axum::extract::{Request as HttpRequest, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::{StreamExt as _, stream as streams};
use serde_json::value::RawValue;

use self::outcome::OutcomeView;
use self::read::RequestBody;
use super::movement::{Call, WRITING};
use crate::access::Caller;
use crate::body::{self, MediaType};
use crate::context::{Context, IDEMPOTENCY_KEY, single, without_parameters};
use crate::limits::Limits;
use crate::problem::Problem;
use crate::state::ServiceState;

/// The service, the context and the caller of a batch.
#[derive(Debug)]
struct Batch {
    state: ServiceState,
    context: Context,
    caller: Caller,
}

/// Executes independent requests, each with its own outcome, in their order. Lines of JSON are
/// answered one by one as they are decided on.
#[utoipa::path(
    post,
    path = "/v1/batches",
    operation_id = "createBatch",
    tag = "batches",
    request_body(content(
        (Vec<RequestBody> = "application/json"),
        (RequestBody = "application/x-ndjson"),
    )),
    responses((status = 200, description = "The outcome of each request.", content(
        (Vec<OutcomeView> = "application/json"),
        (OutcomeView = "application/x-ndjson"),
    ))),
)]
pub(super) async fn create(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let caller = Caller::authenticated(&state, request.headers(), &context).await?;
    caller.require_scope(&context, &WRITING)?;
    without_parameters(request.uri())?;
    if single(request.headers(), IDEMPOTENCY_KEY)?.is_some() {
        let detail = "Each request of a batch has a key of its own: idempotency_key.";
        return Err(Problem::malformed("Idempotency-Key", detail));
    }
    match body::media_type(request.headers())? {
        MediaType::Json => {
            let requests = body::read_array(request.into_body(), state.limits()).await?;
            require_size(requests.len(), state.limits())?;
            caller.require_rate_of_batch(&state, requests.len())?;
            let batch = Batch {
                state,
                context,
                caller,
            };
            Ok(Json(batch.execute(requests).await).into_response())
        }
        MediaType::JsonLines => stream::answer(state, &context, caller, request),
    }
}

fn require_size(requests: usize, limits: &Limits) -> Result<(), Problem> {
    let most = limits.batch_requests_max;
    if requests == 0 {
        return Err(Problem::invalid(
            "body",
            "A batch has at least one request.",
        ));
    }
    if requests > most {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "batch_too_large",
            format!("A batch has at most {most} requests; application/x-ndjson has no limit."),
        ));
    }
    Ok(())
}

impl Batch {
    /// Executes the requests, several at a time, and returns their outcomes in their order.
    async fn execute(self, requests: Vec<Box<RawValue>>) -> Vec<OutcomeView> {
        let in_flight = self.state.limits().batch_in_flight_max.max(1);
        let batch = Arc::new(self);
        streams::iter(requests)
            .map(|request| {
                let batch = Arc::clone(&batch);
                async move { batch.outcome(request.get().as_bytes()).await }
            })
            .buffered(in_flight)
            .collect()
            .await
    }

    async fn outcome(&self, request: &[u8]) -> OutcomeView {
        let Self {
            state,
            context,
            caller,
        } = self;
        let call = Call {
            state,
            context,
            caller,
        };
        OutcomeView::of(call, request).await
    }
}
