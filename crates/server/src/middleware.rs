//! The layers around every resource: identifier, deadline, limit of requests, headers and log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::context::{self, Context, single};
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::trace::RequestTrace;

/// The header with the request's identifier, the caller's or a new one.
const REQUEST_ID: &str = "x-request-id";

/// The mark of a request on a connection that the service itself encrypts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encrypted;

/// The address at the other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Tells browsers for a year to come by TLS alone.
const TLS_ALONE: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Marks the requests of encrypted connections, and tells browsers to come by TLS alone.
pub(crate) async fn encrypted(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Encrypted);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(STRICT_TRANSPORT_SECURITY, TLS_ALONE);
    response
}

/// Gives the request its identifier, and answers it with headers of the service.
pub(crate) async fn identify(
    State(state): State<ServiceState>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let new = Uuid::now_v7();
    let request_id = request_id(request.headers(), new);
    let trace = RequestTrace::begin(&request, &request_id, new);
    let limit = state.limits().request_timeout;
    let has_body = !request.body().is_end_stream();
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = match context::timeout(request.headers(), limit) {
        Ok(timeout) => {
            let deadline = started + timeout;
            let request_id = request_id.clone();
            request.extensions_mut().insert(Context {
                request_id,
                trace_id: trace.id,
                deadline,
                peer,
            });
            next.run(request).instrument(trace.span()).await
        }
        Err(problem) => problem.into_response(),
    };
    if let Some(problem) = response.extensions().get::<Arc<Problem>>() {
        problem.log(&request_id, trace.id);
        response = problem.answer(&request_id);
        if has_body && !is_decided(response.status()) {
            // The rest of the body is not read, so the connection cannot take another request.
            response.headers_mut().insert(CONNECTION, CLOSE);
        }
    }
    let status = response.status();
    state.metrics().answered(status);
    trace.answered(status);
    let (took, status, trace) = (started.elapsed(), status.as_u16(), trace.id);
    tracing::info!(request = request_id, %trace, %method, path, status, ?took, "answered");
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Closes the connection behind an answer.
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Returns true for the problem of a request whose body was read.
fn is_decided(status: StatusCode) -> bool {
    let decided = [
        StatusCode::CONFLICT,
        StatusCode::PRECONDITION_FAILED,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    decided.contains(&status)
}

/// Answers a request at once when too many are at work.
pub(crate) async fn limit(
    State(state): State<ServiceState>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(permit) = Arc::clone(state.requests()).try_acquire_owned() else {
        let limit = state.limits().requests_max;
        let detail = format!("{limit} requests are at work, and no more may be.");
        return Problem::overloaded(detail).into_response();
    };
    let response = next.run(request).await;
    drop(permit);
    response
}

/// Returns the caller's identifier if it is harmless in logs, or a new one.
fn request_id(headers: &HeaderMap, new: Uuid) -> String {
    let is_harmless = |id: &&str| {
        let mut bytes = id.bytes();
        (1..=64).contains(&id.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = single(headers, REQUEST_ID).ok().flatten();
    match given.filter(is_harmless) {
        Some(id) => id.to_owned(),
        None => new.to_string(),
    }
}
