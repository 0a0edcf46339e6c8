//! The clients of a service over HTTP.

use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::service::failed;
use crate::error::BenchError;

/// The connections of a service's clients, which stay open.
pub(super) struct Client {
    address: String,
    authorization: String,
    free: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Client {
    pub(super) fn new(address: String, token: &str) -> Self {
        Self {
            address,
            authorization: format!("Bearer {token}"),
            free: Mutex::default(),
        }
    }

    /// Sends a request on a free connection or a new one, and returns the answer.
    pub(super) async fn send(
        &self,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<Value, BenchError> {
        let mut connection = match self.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut request = Request::post(path)
            .header("host", &self.address)
            .header("authorization", &self.authorization)
            .header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = Full::from(body.to_string());
        let request = request.body(body).map_err(failed)?;
        connection.ready().await.map_err(failed)?;
        let answer = connection.send_request(request).await.map_err(failed)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(failed)?;
        let body = body.to_bytes();
        if !status.is_success() {
            let text = String::from_utf8_lossy(&body);
            return Err(failed(format!("{status}: {text}")));
        }
        if let Ok(mut free) = self.free.lock() {
            free.push(connection);
        }
        serde_json::from_slice(&body).map_err(failed)
    }

    fn take(&self) -> Option<SendRequest<Full<Bytes>>> {
        self.free.lock().ok()?.pop()
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, BenchError> {
        let stream = TcpStream::connect(&self.address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
