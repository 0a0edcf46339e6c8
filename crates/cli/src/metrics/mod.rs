//! Metrics for Prometheus, read from the server at each scrape.

mod encode;
mod server;
mod source;

use std::io::Write;
use std::net::SocketAddr;

pub(crate) use server::serve;
pub(crate) use source::Source;

/// Prints the address that the server listens on; for port 0 the system chose the port.
pub(crate) fn announce(address: SocketAddr) {
    let _ = writeln!(
        std::io::stderr().lock(),
        "listening on http://{address}/metrics"
    );
}
