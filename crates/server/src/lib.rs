//! The bank as a service: an HTTP API in front of the ledger.
//!
//! [`router`] returns the API for any server of axum's, and [`Server`] serves it with limits on
//! connections, headers and slow clients. [`console`] returns the pages for people. All callers' transfers meet in one group commit. The API
//! is described in `docs/service.md`.
//!
//! Each resource has a file in `resources`; `views` has the JSON of answers, and `problem` that of
//! errors.

#![allow(
    clippy::result_large_err,
    reason = "a problem is made once for each failed request"
)]

mod access;
mod address;
mod body;
mod client;
mod console;
mod context;
mod event_reads;
mod idle;
mod keys;
mod limits;
mod listener;
mod metrics;
mod middleware;
mod oidc;
mod openapi;
mod page;
mod places;
mod problem;
mod query;
mod rate;
mod resources;
mod serve;
mod state;
mod stream;
#[cfg(feature = "otlp")]
mod telemetry;
mod times;
mod tls;
mod trace;
mod views;
mod webhooks;
mod workers;

pub use address::{AddressError, ListenAddress};
pub use console::{ConsoleOptions, console};
pub use keys::ApiKeySecret;
pub use limits::Limits;
pub use oidc::{Issuer, IssuerError, IssuerOptions};
pub use rate::RateLimit;
pub use resources::{openapi, router};
pub use serve::Server;
pub use state::ServiceState;
#[cfg(feature = "otlp")]
pub use telemetry::{Telemetry, TelemetryError};
pub use tls::{Tls, TlsError, TlsFiles};
pub use trace::SPAN_TARGET;
pub use webhooks::{
    WebhookOptions, WebhookUrl, WebhookUrlError, generate_webhook_secret, reveal_webhook_secret,
};
pub use workers::Workers;
