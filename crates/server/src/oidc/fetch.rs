//! Reads of small JSON documents over HTTPS.

use std::time::Duration;

use axum::http::header::{ACCEPT, HOST};
use axum::http::{Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio_rustls::TlsConnector;

use super::{IssuerError, is_loopback};
use crate::client;

/// The longest time of a read.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of a document.
const BYTES_MAX: usize = 256 * 1024;

/// Reads documents of addresses that the operator or the issuer names. It follows no redirection.
pub(super) struct Fetcher {
    tls: TlsConnector,
}

/// Returns an address that proves who answers: one with `https`, or one of this machine.
pub(super) fn trusted(text: &str) -> Result<Uri, IssuerError> {
    let wrong = || IssuerError::Address {
        text: neobank_domain::shortened(text),
    };
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let is_trusted = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_loopback(&uri),
        _ => false,
    };
    let has_user = uri
        .authority()
        .is_some_and(|whole| whole.as_str().contains('@'));
    if is_trusted && uri.host().is_some() && uri.query().is_none() && !has_user {
        return Ok(uri);
    }
    Err(wrong())
}

impl Fetcher {
    /// Loads the certificate authorities of the operating system.
    pub(super) fn new() -> Result<Self, IssuerError> {
        let tls = client::tls().map_err(|error| IssuerError::Tls(error.to_string()))?;
        Ok(Self { tls })
    }

    /// Reads a document. The error names the reason and no content.
    pub(super) async fn read<T: DeserializeOwned>(&self, uri: &Uri) -> Result<T, String> {
        let bytes = tokio::time::timeout(TIMEOUT, self.bytes(uri)).await;
        let bytes = bytes.map_err(|_| format!("{uri}: no answer within {TIMEOUT:?}"))?;
        let bytes = bytes.map_err(|reason| format!("{uri}: {reason}"))?;
        serde_json::from_slice(&bytes).map_err(|_| format!("{uri}: the document is malformed"))
    }

    async fn bytes(&self, uri: &Uri) -> Result<Bytes, String> {
        let stream = client::connect(&self.tls, uri).await?;
        let path = uri.path_and_query().map_or("/", |whole| whole.as_str());
        let authority = uri.authority().map_or("", |whole| whole.as_str());
        let request = Request::get(path)
            .header(HOST, authority)
            .header(ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let _task = client::attend(connection);
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer is {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| error.to_string())
    }
}
