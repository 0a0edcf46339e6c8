//! The command `neobank serve-metrics`.

use std::net::Ipv6Addr;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;

use super::ops::MonitoringArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::metrics::{self, Source};
use crate::output::{Block, Output};

#[derive(Debug, Args)]
pub(crate) struct ServeMetricsArguments {
    /// The address to listen on; the default is reachable only on this machine. There is no
    /// password: use it only in a private network
    ///
    /// Examples are 127.0.0.1:9187, localhost:9187 and [::1]:9187; :9187 is every address of the
    /// machine
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9187", value_parser = listen_address)]
    listen: String,
    /// The limit of one scrape's queries, in milliseconds; less than Prometheus' scrape_timeout
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 9_000)]
    scrape_timeout: u64,
    #[command(flatten)]
    monitoring: MonitoringArguments,
}

pub(crate) async fn run(
    arguments: &ServeMetricsArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let listen = arguments.listen.as_str();
    let source = Source::new(
        connection.config("metrics")?,
        arguments.monitoring.limits(),
        arguments.monitoring.thresholds()?,
        Duration::from_millis(arguments.scrape_timeout.max(1)),
    );
    let failed =
        |error: std::io::Error| CommandError::failed("listen", format!("{listen}: {error}"));
    let listener = bind(listen).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    metrics::announce(bound);
    metrics::serve(listener, source).await.map_err(failed)?;
    Output::new(
        "serve-metrics",
        json!({ "listened_on": bound.to_string() }),
        vec![Block::Note("stopped".to_owned())],
    )
}

/// Returns an address in a resolvable form: a host, an IPv6 address in brackets, or nothing, and a
/// port.
fn listen_address(text: &str) -> Result<String, String> {
    let wrong =
        || format!("{text:?} is no address such as 127.0.0.1:9187, localhost:9187 or :9187");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    port.parse::<u16>().map_err(|_| wrong())?;
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_host = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.contains(|c: char| matches!(c, ':' | '[' | ']') || c.is_whitespace()),
    };
    is_host.then(|| text.to_owned()).ok_or_else(wrong)
}

/// Listens on the address. Without a host it listens on every address, also of IPv6 where the
/// machine has it.
async fn bind(listen: &str) -> std::io::Result<TcpListener> {
    let Some(port) = listen.strip_prefix(':') else {
        return TcpListener::bind(listen).await;
    };
    match TcpListener::bind(format!("[::]:{port}")).await {
        Ok(listener) => Ok(listener),
        // The port is in use, and would be in the other address family too.
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(error),
        Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await,
    }
}

#[cfg(test)]
mod tests {
    use super::listen_address;

    #[test]
    fn usual_addresses_are_accepted_and_others_rejected_by_name() {
        for text in [":9187", "localhost:9187", "[::1]:9187", "127.0.0.1:0"] {
            assert_eq!(listen_address(text).as_deref(), Ok(text));
        }
        for text in [
            "9187",
            "::1:9187",
            "localhost",
            "a b:1",
            "[x]:1",
            ":70000",
            "h:",
        ] {
            let error = listen_address(text).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }
}
