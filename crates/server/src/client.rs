//! The parts that clients of other servers share.

use std::sync::Arc;

use axum::http::Uri;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::stream::Stream;

/// Returns a client's TLS, which trusts the certificate authorities of the operating system.
pub(crate) fn tls() -> Result<TlsConnector, rustls::Error> {
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be parsed must not exclude the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Returns the name that a server's certificate must have.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    let name = ServerName::try_from(host.to_owned());
    name.map_err(|_| "the host is no name for TLS".to_owned())
}

/// Connects to the host of an address, with TLS for `https`.
pub(crate) async fn connect(tls: &TlsConnector, uri: &Uri) -> Result<Box<dyn Stream>, String> {
    let host = uri.host().unwrap_or_default();
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let encrypts = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if encrypts { 443 } else { 80 });
    let stream = TcpStream::connect((name, port)).await;
    let stream = stream.map_err(|error| format!("not connected: {error}"))?;
    let _ = stream.set_nodelay(true);
    if !encrypts {
        return Ok(Box::new(stream));
    }
    let encrypted = tls.connect(server_name(name)?, stream).await;
    Ok(Box::new(
        encrypted.map_err(|error| format!("not encrypted: {error}"))?,
    ))
}

/// Starts the work of an HTTP connection, which ends when the set is dropped.
pub(crate) fn attend<E>(
    connection: impl Future<Output = Result<(), E>> + Send + 'static,
) -> JoinSet<()> {
    let mut task = JoinSet::new();
    task.spawn(async move {
        let _ = connection.await;
    });
    task
}
