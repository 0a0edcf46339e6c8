//! The connection to the receiver of traces or metrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Response, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::TelemetryError;
use crate::client;

/// The longest time of an export, unless `OTEL_EXPORTER_OTLP_TIMEOUT` has another, in milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT_VARIABLE: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";

/// The most bytes of an answer.
const BYTES_MAX: usize = 64 * 1024;

/// Sends one request after the other over one connection while it is open.
pub(super) struct Client {
    shared: Arc<Shared>,
    /// The runtime of the service: the SDK calls from threads of its own.
    runtime: Handle,
}

struct Shared {
    tls: TlsConnector,
    timeout: Duration,
    open: Mutex<Option<Connection>>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// The work of the connection, which ends with it.
    _task: JoinSet<()>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Client")
    }
}

impl Client {
    /// Loads the certificate authorities of the operating system.
    pub(super) fn new() -> Result<Self, TelemetryError> {
        let timeout = std::env::var(TIMEOUT_VARIABLE).ok();
        let timeout = timeout.and_then(|text| text.parse().ok());
        let shared = Shared {
            tls: client::tls().map_err(TelemetryError::Tls)?,
            timeout: timeout.map_or(TIMEOUT, Duration::from_millis),
            open: Mutex::new(None),
        };
        Ok(Self {
            shared: Arc::new(shared),
            runtime: Handle::current(),
        })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let shared = Arc::clone(&self.shared);
        let sent = self.runtime.spawn(async move {
            let limit = shared.timeout;
            let sent = tokio::time::timeout(limit, shared.send(request)).await;
            sent.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
        });
        Ok(sent.await??)
    }
}

impl Shared {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let (mut parts, body) = request.into_parts();
        let uri = parts.uri;
        let host = uri.authority().map_or("", |whole| whole.as_str());
        let host = HeaderValue::from_str(host).map_err(|error| error.to_string())?;
        parts.headers.insert(HOST, host);
        let path = uri.path_and_query().map_or("/", |whole| whole.as_str());
        parts.uri = path
            .parse()
            .map_err(|_| "the address has no path".to_owned())?;
        let mut open = self.open.lock().await;
        let mut connection = match open.take() {
            Some(kept) if !kept.sender.is_closed() => kept,
            _ => self.connect(&uri).await?,
        };
        let request = Request::from_parts(parts, Full::new(body));
        let answer = connection.sender.send_request(request).await;
        let answer = answer.map_err(|error| format!("no answer: {error}"))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        *open = Some(connection);
        Ok(Response::from_parts(parts, body))
    }

    async fn connect(&self, uri: &Uri) -> Result<Connection, String> {
        let stream = client::connect(&self.tls, uri).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| error.to_string())?;
        Ok(Connection {
            sender,
            _task: client::attend(connection),
        })
    }
}
