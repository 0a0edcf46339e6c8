//! A receiver of webhooks on this machine. It verifies each message with the library of Standard
//! Webhooks, which is independent of the service.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A message that a receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) body: Value,
    /// The status of the answer.
    pub(crate) status: u16,
}

/// The answer to a message.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// A status with a header.
    With(u16, String),
    /// The bytes of the whole answer, after which the connection stays open without more.
    Raw(String),
    /// A status whose body never ends.
    Endless(u16),
    /// No answer at all.
    Silence,
}

#[derive(Clone, Default)]
struct Shared {
    received: Arc<Mutex<Vec<Received>>>,
    /// The answers to the next messages; then `rest`.
    replies: Arc<Mutex<VecDeque<Reply>>>,
    rest: Arc<Mutex<Option<Reply>>>,
}

/// A receiver, which ends with this value.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    shared: Shared,
    _task: JoinSet<()>,
}

impl Receiver {
    /// Starts a receiver that accepts every message.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts a receiver that encrypts with a certificate.
    pub(crate) async fn start_with(acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared::default();
        let mut task = JoinSet::new();
        let own = shared.clone();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (own, acceptor) = (own.clone(), acceptor.clone());
                connections.spawn(async move {
                    match acceptor {
                        None => serve(stream, own).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, own).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            port,
            shared,
            _task: task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/events?from=bank", self.port)
    }

    /// Sets the answers to the next messages, and the one to all further messages.
    pub(crate) fn reply(&self, next: impl IntoIterator<Item = Reply>, rest: Reply) {
        *self.shared.replies.lock().unwrap() = next.into_iter().collect();
        *self.shared.rest.lock().unwrap() = Some(rest);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// The positions of the messages with a 2xx answer, in the order of their arrival.
    pub(crate) fn accepted(&self) -> Vec<i64> {
        let received = self.received();
        let accepted = received.iter().filter(|one| one.status / 100 == 2);
        accepted.map(Received::position).collect()
    }

    /// Waits until a number of messages arrived.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait_until(|received| received.len() >= count).await
    }

    pub(crate) async fn wait_until(
        &self,
        is_enough: impl Fn(&[Received]) -> bool,
    ) -> Vec<Received> {
        for _ in 0..3_000 {
            let received = self.received();
            if is_enough(&received) {
                return received;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the messages did not arrive: {:#?}", self.received());
    }
}

impl Received {
    pub(crate) fn position(&self) -> i64 {
        self.body["data"]["position"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let found = headers.find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    /// Fails unless the library of Standard Webhooks accepts the signature of a secret.
    #[track_caller]
    pub(crate) fn assert_signed(&self, secret: &str) {
        assert!(self.is_signed(secret), "{self:?}");
    }

    pub(crate) fn is_signed(&self, secret: &str) -> bool {
        let mut headers = http::HeaderMap::new();
        for (name, value) in &self.headers {
            let name: http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        let webhook = Webhook::new(secret).unwrap();
        webhook.verify(self.text.as_bytes(), &headers).is_ok()
    }
}

/// Serves one request after the other on a connection.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: Shared) {
    let mut buffer = Vec::new();
    while let Some((headers, text)) = read(&mut stream, &mut buffer).await {
        let next = shared.replies.lock().unwrap().pop_front();
        let rest = shared.rest.lock().unwrap().clone();
        let reply = next.or(rest).unwrap_or(Reply::Status(200));
        let status = match &reply {
            Reply::Status(status) | Reply::With(status, _) | Reply::Endless(status) => *status,
            Reply::Raw(_) | Reply::Silence => 0,
        };
        shared.received.lock().unwrap().push(Received {
            headers,
            body: serde_json::from_str(&text).unwrap(),
            text,
            status,
        });
        let head = |status, header: &str| {
            format!("HTTP/1.1 {status} x\r\n{header}content-length: 2\r\n\r\nok")
        };
        let answer = match reply {
            Reply::Status(status) => head(status, ""),
            Reply::With(status, header) => head(status, &format!("{header}\r\n")),
            Reply::Raw(answer) => {
                let _ = stream.write_all(answer.as_bytes()).await;
                std::future::pending().await
            }
            Reply::Endless(status) => {
                let head = format!("HTTP/1.1 {status} x\r\ntransfer-encoding: chunked\r\n\r\n");
                let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(chunk.as_bytes()).await.is_ok() {}
                return;
            }
            Reply::Silence => std::future::pending().await,
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads a request: its headers and its body.
async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Option<(Vec<(String, String)>, String)> {
    loop {
        let seen = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, rest)) = seen.split_once("\r\n\r\n") {
            let lines = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(": "));
            let headers: Vec<_> = lines
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length?.1.parse().ok()?;
            if rest.len() >= length {
                let text = rest[..length].to_owned();
                buffer.drain(..head.len() + 4 + length);
                return Some((headers, text));
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
