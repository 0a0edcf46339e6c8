//! The export of traces and metrics by the OpenTelemetry protocol (OTLP).
//!
//! `endpoint` finds the addresses of the receiver, `client` sends to it, and `figures` exports the
//! figures of `/metrics`. The SDK collects spans in a queue of bounded length and sends them from a
//! thread of its own: a receiver that is slow or away costs spans, and no request waits for it.

mod client;
mod endpoint;
mod figures;
mod span;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use client::Client;
use endpoint::Endpoints;
pub(crate) use span::join;

use crate::state::ServiceState;

/// The name of the service unless the environment has another.
const NAME: &str = "neobank";

/// The export of the service's traces and metrics. The standard variables of the environment
/// (`OTEL_…`) set its details.
#[derive(Clone, Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

/// The reason why traces and metrics cannot be exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The address is none of HTTP.
    #[error("{text:?} is no address such as http://127.0.0.1:4318, without a user or parameters")]
    Address {
        /// The address.
        text: String,
    },
    /// The protocol of the environment is not the service's.
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL is {text:?}; the service knows http/protobuf alone")]
    Protocol {
        /// The protocol.
        text: String,
    },
    /// The system's certificates cannot be used.
    #[error("no TLS: {0}")]
    Tls(#[source] rustls::Error),
    /// A variable of the environment cannot be used.
    #[error("the export cannot be set up: {0}")]
    Exporter(#[from] ExporterBuildError),
}

impl Telemetry {
    /// Starts the export to the receiver at an address, or to those that the environment names.
    /// Returns `None` when neither names one. Call it in a runtime of tokio.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`] when the address or a variable of the environment is wrong.
    pub fn start(endpoint: Option<&str>) -> Result<Option<Self>, TelemetryError> {
        let Some(endpoints) = Endpoints::find(endpoint)? else {
            return Ok(None);
        };
        let resource = resource();
        let traces = match endpoints.traces {
            Some(url) => {
                let exporter = SpanExporter::builder()
                    .with_http()
                    .with_http_client(Client::new()?)
                    .with_endpoint(url)
                    .build()?;
                let provider = SdkTracerProvider::builder()
                    .with_resource(resource.clone())
                    .with_batch_exporter(exporter);
                Some(provider.build())
            }
            None => None,
        };
        let metrics = match endpoints.metrics {
            Some(url) => {
                let exporter = MetricExporter::builder()
                    .with_http()
                    .with_http_client(Client::new()?)
                    .with_endpoint(url)
                    .build()?;
                let provider = SdkMeterProvider::builder()
                    .with_resource(resource)
                    .with_periodic_exporter(exporter);
                Some(provider.build())
            }
            None => None,
        };
        Ok(Some(Self { traces, metrics }))
    }

    /// Returns the destinations of [`Telemetry::start`] in words, without starting anything.
    ///
    /// # Errors
    ///
    /// As [`Telemetry::start`].
    pub fn destinations(endpoint: Option<&str>) -> Result<Option<String>, TelemetryError> {
        Ok(Endpoints::find(endpoint)?.map(|endpoints| endpoints.to_string()))
    }

    /// Returns the layer of a subscriber that exports the service's spans, and no others.
    #[must_use]
    pub fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let provider = self.traces.as_ref()?;
        Some(span::layer(provider.tracer(NAME)))
    }

    /// Exports the figures of a service, which `/metrics` has too.
    pub fn observe(&self, state: &ServiceState) {
        if let Some(provider) = &self.metrics {
            figures::observe(provider, state);
        }
    }

    /// Sends what was not sent, for at most a time, and ends the export.
    pub async fn stop(&self, limit: Duration) {
        let Self { traces, metrics } = self.clone();
        let traces = tokio::task::spawn_blocking(move || {
            traces.map(|traces| traces.shutdown_with_timeout(limit))
        });
        let metrics = tokio::task::spawn_blocking(move || {
            metrics.map(|metrics| metrics.shutdown_with_timeout(limit))
        });
        let ended = async { (traces.await, metrics.await) };
        match tokio::time::timeout(limit, ended).await {
            Ok((Ok(None | Some(Ok(()))), Ok(None | Some(Ok(()))))) => {}
            _ => tracing::warn!("the last traces or metrics were not exported"),
        }
    }
}

/// Returns the attributes of this process.
fn resource() -> Resource {
    let attributes = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = attributes.contains("service.name=")
        || std::env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty());
    let has_instance = attributes.contains("service.instance.id=");
    let mut resource = Resource::builder();
    if !is_named {
        resource = resource.with_service_name(NAME);
    }
    if !has_instance {
        let instance = Uuid::now_v7().to_string();
        resource = resource.with_attribute(KeyValue::new("service.instance.id", instance));
    }
    let version = env!("CARGO_PKG_VERSION");
    resource
        .with_attribute(KeyValue::new("service.version", version))
        .build()
}
