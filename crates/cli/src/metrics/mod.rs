//! `neobank serve-metrics`: what the server does, for Prometheus.
//!
//! Every scrape asks anew, and what cannot be asked is not there: no value is older than its scrape. The names are in
//! [`exposition`].

pub mod exposition;
mod scrape;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clap::Args;
use neobank_db::DatabaseConfig;
use neobank_ops::Monitor;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

/// How `neobank serve-metrics` is run.
#[derive(Args, Clone, Debug)]
pub struct MetricsOptions {
    /// Where to listen. Who can connect there can read the figures: they hold names of databases and roles, and no
    /// statements.
    #[arg(long, default_value = "127.0.0.1:9187")]
    pub listen: SocketAddr,
    /// Seconds that a scrape can take; after them it says that the server is not up.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub timeout: u64,
}

/// Why nothing is served any more.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The address cannot be listened on, or the listener failed.
    #[error("{address}: {reason}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        reason: std::io::Error,
    },
}

/// Serves until the process is told to end.
///
/// # Errors
///
/// [`MetricsError`]. A database that cannot be reached is no error: it is what the metrics tell.
pub async fn run(options: MetricsOptions, config: DatabaseConfig) -> Result<(), MetricsError> {
    let failed = |reason| MetricsError::Listen {
        address: options.listen.to_string(),
        reason,
    };
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let end = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    serve(listener, config, Duration::from_secs(options.timeout), end)
        .await
        .map_err(failed)
}

/// Serves `/metrics` on a listener until `end`.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    config: DatabaseConfig,
    timeout: Duration,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), std::io::Error> {
    let exporter = Exporter {
        config,
        timeout,
        monitor: Arc::default(),
    };
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .with_state(exporter);
    axum::serve(listener, routes)
        .with_graceful_shutdown(end)
        .await
}

/// The database, and the one connection to it.
#[derive(Clone)]
struct Exporter {
    config: DatabaseConfig,
    timeout: Duration,
    /// Connected by the first scrape that can; its lock is the turn of a scrape.
    monitor: Arc<Mutex<Option<Monitor>>>,
}

async fn metrics(State(exporter): State<Exporter>) -> Response {
    // A second scrape is not queued: a slow server would only get slower.
    let Ok(mut monitor) = exporter.monitor.try_lock() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "a scrape is under way\n").into_response();
    };
    let began = std::time::Instant::now();
    let asked = scrape::scrape(&mut monitor, &exporter.config);
    let facts = match tokio::time::timeout(exporter.timeout, asked).await {
        Ok(Ok(facts)) => Some(facts),
        Ok(Err(_)) | Err(_) => None,
    };
    match exposition::text(facts.as_ref(), began.elapsed()) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
