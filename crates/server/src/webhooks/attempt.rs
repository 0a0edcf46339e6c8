//! One attempt to send a message.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
use chrono::Utc;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use neobank_domain::shortened;
use neobank_domain::webhooks::WebhookSecret;

use super::connection::{Connection, Connector};
use super::destination::WebhookUrl;
use super::message::Message;
use super::options::WebhookOptions;
use super::signature::sign;

/// The result of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver accepted the message.
    Accepted,
    /// The receiver wants no more messages (410).
    Gone,
    /// The receiver did not accept the message.
    Failed(Failure),
}

/// The reason of a failed attempt. It names neither the address nor a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: Option<u16>,
    pub(super) error: String,
    /// The pause that the receiver asks for.
    pub(super) retry_after: Option<Duration>,
}

/// The most bytes of an answer's body that are read so that its connection can be used again.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest time for that.
const BODY_TIME: Duration = Duration::from_secs(1);

/// The header names of Standard Webhooks.
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// Sends messages to one webhook, over one connection while it is open.
pub(super) struct Sender {
    connector: Connector,
    options: WebhookOptions,
    open: Option<(WebhookUrl, Connection)>,
}

impl Sender {
    pub(super) fn new(connector: Connector, options: WebhookOptions) -> Self {
        Self {
            connector,
            options,
            open: None,
        }
    }

    /// Makes an attempt within its limit of time. Redirects are not followed.
    pub(super) async fn attempt(
        &mut self,
        url: &str,
        secrets: &[WebhookSecret],
        message: &Message,
    ) -> Outcome {
        let limit = self.options.attempt_timeout;
        // The options may have been others when the webhook was created.
        let url = match WebhookUrl::parse(url, &self.options) {
            Ok(url) => url,
            Err(error) => return failed(&format!("the address is not allowed: {error}")),
        };
        if secrets.is_empty() {
            return failed("the webhook has no secret");
        }
        match tokio::time::timeout(limit, self.send(&url, secrets, message)).await {
            Ok(Ok((connection, answer))) => {
                let (parts, body) = answer.into_parts();
                self.keep(url, connection, body).await;
                outcome(parts.status, &parts.headers)
            }
            Ok(Err(error)) => failed(&error),
            Err(_) => failed(&format!("no answer within {limit:?}")),
        }
    }

    async fn send(
        &mut self,
        url: &WebhookUrl,
        secrets: &[WebhookSecret],
        message: &Message,
    ) -> Result<(Connection, Response<Incoming>), String> {
        let open = self.open.take().filter(|(to, _)| to == url);
        if let Some((_, mut connection)) = open
            && connection.sender.ready().await.is_ok()
        {
            let request = request(url, secrets, message)?;
            // The receiver may close an idle connection at any time.
            if let Ok(answer) = connection.sender.send_request(request).await {
                return Ok((connection, answer));
            }
        }
        let mut connection = self.connector.connect(url).await?;
        let request = request(url, secrets, message)?;
        let answer = connection.sender.send_request(request).await;
        let answer = answer.map_err(|error| format!("no answer: {error}"))?;
        Ok((connection, answer))
    }

    /// Keeps the connection for the next message if the rest of the answer is short.
    async fn keep(&mut self, url: WebhookUrl, connection: Connection, body: Incoming) {
        let rest = Limited::new(body, BODY_BYTES_MAX).collect();
        let rest = tokio::time::timeout(BODY_TIME, rest).await;
        if matches!(rest, Ok(Ok(_))) {
            self.open = Some((url, connection));
        }
    }
}

fn outcome(status: StatusCode, headers: &HeaderMap) -> Outcome {
    if status.is_success() {
        return Outcome::Accepted;
    }
    if status == StatusCode::GONE {
        return Outcome::Gone;
    }
    let error = if status.is_redirection() {
        format!(
            "the answer is {}: redirects are not followed",
            status.as_u16()
        )
    } else {
        format!("the answer is {}", status.as_u16())
    };
    let asked = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|text| text.parse().ok());
    Outcome::Failed(Failure {
        status: Some(status.as_u16()),
        error,
        retry_after: asked.map(Duration::from_secs),
    })
}

fn failed(error: &str) -> Outcome {
    Outcome::Failed(Failure {
        status: None,
        error: shortened(error),
        retry_after: None,
    })
}

fn request(
    url: &WebhookUrl,
    secrets: &[WebhookSecret],
    message: &Message,
) -> Result<Request<Full<Bytes>>, String> {
    let timestamp = Utc::now().timestamp();
    let signature = sign(secrets, &message.id, timestamp, &message.body);
    Request::builder()
        .method(Method::POST)
        .uri(url.path_and_query())
        .header(HOST, url.authority())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("neobank/", env!("CARGO_PKG_VERSION")))
        .header(ID, &message.id)
        .header(TIMESTAMP, timestamp)
        .header(SIGNATURE, signature)
        .body(Full::new(message.body.clone()))
        .map_err(|_| "the address makes no request".to_owned())
}
