//! The trace of a request: its identifier in the log, and its spans.
//!
//! The spans have a target of their own, so that a subscriber takes or leaves them apart from the
//! log. Without a subscriber that takes them they cost no more than a comparison.

mod w3c;

use std::fmt;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use tracing::field::Empty;
use tracing::instrument::Instrumented;
use tracing::{Instrument as _, Span, info_span};
use uuid::Uuid;

pub(crate) use w3c::TraceParent;

/// The target of the service's spans, which have the level `INFO`.
pub const SPAN_TARGET: &str = "neobank_server::span";

/// The identifier of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

/// Writes the digits that `traceparent` has.
impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// The trace of a request, with the request's span.
#[derive(Clone, Debug)]
pub(crate) struct RequestTrace {
    pub(crate) id: TraceId,
    span: Span,
}

impl RequestTrace {
    /// Begins the span of a request: in the trace of the caller, or else in a new one, whose
    /// identifier is `new` unless the subscriber makes one.
    pub(crate) fn begin(request: &Request, request_id: &str, new: Uuid) -> Self {
        let parent = w3c::parent(request.headers());
        let span = span(request, request_id);
        let given = parent.map(|parent| parent.trace_id);
        let exported = exported(&span, parent, request.headers());
        Self {
            id: TraceId(exported.or(given).unwrap_or(new.as_u128())),
            span,
        }
    }

    /// The span of the request.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Notes the answer in the span.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.span
            .record("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            self.span.record("otel.status_code", "ERROR");
            self.span.record("error.type", status.as_str());
        }
    }
}

/// Returns a future in a span of the time that a transaction of group commit takes for a request,
/// with the wait for it.
pub(crate) fn group_commit<F: Future>(work: F) -> Instrumented<F> {
    work.instrument(info_span!(
        target: SPAN_TARGET,
        "group commit",
        otel.kind = "client",
        db.system.name = "postgresql",
    ))
}

/// Returns a future in a span of work of the database.
pub(crate) fn database<F: Future>(work: F) -> Instrumented<F> {
    work.instrument(info_span!(
        target: SPAN_TARGET,
        "database",
        otel.kind = "client",
        db.system.name = "postgresql",
    ))
}

/// Returns the span of a request. It has the route and never the path, in which identifiers stand.
fn span(request: &Request, request_id: &str) -> Span {
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map(MatchedPath::as_str);
    let span = info_span!(
        target: SPAN_TARGET,
        "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        error.type = Empty,
        neobank.request_id = request_id,
    );
    if !span.is_disabled() {
        let method = if method == OTHER { "HTTP" } else { method };
        match route {
            Some(route) => span.record("otel.name", format!("{method} {route}")),
            None => span.record("otel.name", method),
        };
    }
    span
}

/// The name of a method that HTTP does not know.
const OTHER: &str = "_OTHER";

/// Returns the name of a method. Callers cannot add names.
fn known(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ];
    if known.contains(method) {
        method.as_str()
    } else {
        OTHER
    }
}

/// Makes the span a part of the caller's trace, and returns the identifier of the trace that is
/// exported.
#[cfg(feature = "otlp")]
fn exported(
    span: &Span,
    parent: Option<TraceParent>,
    headers: &axum::http::HeaderMap,
) -> Option<u128> {
    if span.is_disabled() {
        return None;
    }
    crate::telemetry::join(span, parent, || w3c::state(headers))
}

#[cfg(not(feature = "otlp"))]
fn exported(
    _span: &Span,
    _parent: Option<TraceParent>,
    _headers: &axum::http::HeaderMap,
) -> Option<u128> {
    None
}
