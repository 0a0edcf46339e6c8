//! `neobank serve-metrics`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;

use super::ops::MonitoringArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::metrics::{self, Source};
use crate::output::{Answer, Block};

#[derive(Debug, Args)]
pub(crate) struct ServeMetricsArguments {
    /// Where to listen; on this machine alone unless another address is given. There is no password: keep it in your own
    /// network
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9187")]
    listen: SocketAddr,
    /// How long gathering may take, in milliseconds; less than Prometheus' scrape_timeout
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 9_000)]
    scrape_timeout: u64,
    #[command(flatten)]
    monitoring: MonitoringArguments,
}

pub(crate) async fn run(
    arguments: &ServeMetricsArguments,
    connection: &Connection,
) -> Result<Answer, CommandError> {
    let listen = arguments.listen;
    let source = Source::new(
        connection.config("metrics")?,
        arguments.monitoring.limits(),
        arguments.monitoring.thresholds()?,
        Duration::from_millis(arguments.scrape_timeout.max(1)),
    );
    let failed =
        |error: std::io::Error| CommandError::failed("listen", format!("{listen}: {error}"));
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    metrics::announce(bound);
    metrics::serve(listener, source).await.map_err(failed)?;
    Answer::new(
        "serve-metrics",
        json!({ "listened_on": bound.to_string() }),
        vec![Block::Note("stopped".to_owned())],
    )
}
