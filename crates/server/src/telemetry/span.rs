//! The spans of the service as spans of OpenTelemetry.

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::trace::{SPAN_TARGET, TraceParent};

/// Returns the layer that exports the service's spans.
pub(super) fn layer<S>(tracer: SdkTracer) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let own = Targets::new().with_target(SPAN_TARGET, LevelFilter::INFO);
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_level(false)
        .with_filter(own)
}

/// Makes a span the child of the caller's, and returns the identifier of its trace; none if no layer
/// exports the span.
pub(crate) fn join(
    span: &Span,
    parent: Option<TraceParent>,
    state: impl FnOnce() -> Vec<(String, String)>,
) -> Option<u128> {
    if let Some(parent) = parent {
        let flags = TraceFlags::default().with_sampled(parent.is_sampled);
        let trace_id = TraceId::from_bytes(parent.trace_id.to_be_bytes());
        let span_id = SpanId::from_bytes(parent.span_id.to_be_bytes());
        let state = TraceState::from_key_value(state()).unwrap_or_default();
        let context = SpanContext::new(trace_id, span_id, flags, true, state);
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context
        .is_valid()
        .then(|| u128::from_be_bytes(context.trace_id().to_bytes()))
}
