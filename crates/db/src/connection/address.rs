//! The addresses of a configuration, and the cancel requests to one of them.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio_postgres::{CancelToken, NoTls};

use super::socket::Endpoint;

/// One server: a host with its port, or the folder of its Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Returns the addresses of a configuration, in the order in which they are tried.
    pub(crate) fn all(hosts: &[String], ports: &[u16]) -> Vec<Self> {
        let last = ports.last().copied().unwrap_or(5432);
        let ports = ports.iter().copied().chain(std::iter::repeat(last));
        hosts
            .iter()
            .cloned()
            .zip(ports)
            .map(|(host, port)| Self { host, port })
            .collect()
    }

    /// Returns the network addresses of the host, in the resolver's order.
    pub(crate) async fn endpoints(&self) -> std::io::Result<Vec<Endpoint>> {
        if self.host.starts_with('/') {
            let name = format!(".s.PGSQL.{}", self.port);
            return Ok(vec![Endpoint::Unix(Path::new(&self.host).join(name))]);
        }
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        Ok(addresses.map(Endpoint::Tcp).collect())
    }
}

impl Endpoint {
    /// Sends a cancel request over an unencrypted connection and waits until the server has
    /// processed it.
    ///
    /// The driver's own function does not wait, and a late request cancels whatever the connection
    /// runs next. The server closes the request's connection only after it has signalled the
    /// backend, so the end of the stream proves that the signal precedes everything that is sent
    /// from now on.
    pub(crate) async fn cancel_and_wait(&self, token: &CancelToken) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        let mut stream = self.connect(CANCEL_TIMEOUT).await.map_err(text)?;
        token
            .cancel_query_raw(&mut stream, NoTls)
            .await
            .map_err(|error| error.to_string())?;
        let mut nothing = Vec::new();
        // A reset ends the stream too.
        let _ = stream.read_to_end(&mut nothing).await;
        Ok(())
    }
}

/// The time for which the network may leave a cancel request unacknowledged.
pub(crate) const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_serves_all_hosts() {
        let hosts = ["a".to_owned(), "b".to_owned()];
        let ports = |ports: &[u16]| {
            Address::all(&hosts, ports)
                .iter()
                .map(|address| address.port)
                .collect::<Vec<_>>()
        };
        assert_eq!(ports(&[1]), [1, 1]);
        assert_eq!(ports(&[1, 2]), [1, 2]);
    }
}
