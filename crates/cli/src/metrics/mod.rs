//! Figures for Prometheus, gathered anew for each scrape.

mod describe;
mod encode;
mod server;
mod source;

use std::io::Write;
use std::net::SocketAddr;

pub(crate) use server::serve;
pub(crate) use source::Source;

/// Tells the operator, and whoever started the program on port 0, where it listens.
pub(crate) fn announce(address: SocketAddr) {
    let _ = writeln!(
        std::io::stderr().lock(),
        "listening on http://{address}/metrics"
    );
}
