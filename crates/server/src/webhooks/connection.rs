//! A connection to a webhook's address.

use std::io;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::destination::WebhookUrl;
use super::options::WebhookOptions;
use crate::client;
use crate::stream::Stream;

/// The most bytes of an answer's status and headers.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// The most headers of an answer.
const HEADERS_MAX: usize = 100;

/// Connects to addresses of webhooks.
#[derive(Clone)]
pub(super) struct Connector {
    tls: TlsConnector,
    options: WebhookOptions,
}

/// An open connection, which sends one request after the other.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    /// The work of the connection, which ends with it.
    _task: JoinSet<()>,
}

impl Connector {
    /// Loads the certificate authorities of the operating system.
    pub(super) fn new(options: WebhookOptions) -> Result<Self, rustls::Error> {
        let tls = client::tls()?;
        Ok(Self { tls, options })
    }

    /// Connects to the first address of the host that answers, of those that webhooks may reach.
    pub(super) async fn connect(&self, url: &WebhookUrl) -> Result<Connection, String> {
        let mut failure = String::new();
        for address in url.resolve(&self.options).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return self.begin(stream, url).await;
                }
                Err(error) => failure = format!("not connected: {}", reason(&error)),
            }
        }
        Err(failure)
    }

    async fn begin(&self, stream: TcpStream, url: &WebhookUrl) -> Result<Connection, String> {
        let stream: Box<dyn Stream> = if url.encrypts() {
            let name = client::server_name(url.host())?;
            let encrypted = self.tls.connect(name, stream).await;
            Box::new(encrypted.map_err(|error| format!("not encrypted: {}", reason(&error)))?)
        } else {
            Box::new(stream)
        };
        let handshake = http1::Builder::new()
            .max_buf_size(HEADER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(|error| error.to_string())?;
        Ok(Connection {
            sender,
            _task: client::attend(connection),
        })
    }
}

/// Returns the reason of a failure without the names that an error of the system may have.
fn reason(error: &io::Error) -> String {
    match error.get_ref() {
        Some(inner) => inner.to_string(),
        None => error.kind().to_string(),
    }
}
