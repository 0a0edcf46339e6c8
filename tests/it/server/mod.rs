//! The service, over real connections.

mod access;
mod batches;
mod console;
mod documentation;
mod exchanges;
mod groups;
mod holds;
mod hostile;
mod issuer;
mod killed;
mod money;
mod rates;
mod reads;
mod reversals;
mod secrets;
mod settings;
mod storm;
mod streams;
mod strict;
mod tls;
mod tokens;
mod traces;
mod webhooks;

use std::time::Duration;

use neobank_domain::Ledger;
use neobank_domain::api_keys::{self, NewApiKey, Scope};
use neobank_server::{ApiKeySecret, ConsoleOptions, Limits, Server, ServiceState};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::TestBank;

/// A command that ends with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service on a test's bank.
struct Service {
    address: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<usize>,
}

impl Service {
    async fn on(bank: &TestBank, limits: Limits) -> Self {
        Self::with_console(bank, limits, ConsoleOptions::default()).await
    }

    async fn with_console(bank: &TestBank, limits: Limits, options: ConsoleOptions) -> Self {
        let state = ServiceState::new(Ledger::new(bank.database.clone()), limits);
        Self::of_state(state, options).await
    }

    async fn of_state(state: ServiceState, options: ConsoleOptions) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(&listen, state).await.unwrap();
        let server = server.with_console(options);
        let address = server.address().strip_prefix("http://").unwrap().to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(server.run(stopped));
        Self {
            address,
            stop: Some(stop),
            task,
        }
    }

    async fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        send(&self.address, method, path, headers, body)
            .await
            .unwrap()
    }
}

impl Service {
    /// Returns what a stream sends until it has sent a text.
    async fn stream(&self, path: &str, headers: &[&str], until: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let mut text = format!("GET {path} HTTP/1.1\r\nhost: bank\r\n");
        for header in headers {
            text.push_str(&format!("{header}\r\n"));
        }
        stream
            .write_all(format!("{text}\r\n").as_bytes())
            .await
            .unwrap();
        let mut received = Vec::new();
        let read = async {
            loop {
                let seen = String::from_utf8_lossy(&received).into_owned();
                if seen.contains(until) {
                    return seen;
                }
                assert!(stream.read_buf(&mut received).await.unwrap() > 0, "{seen}");
            }
        };
        tokio::time::timeout(Duration::from_secs(30), read)
            .await
            .expect("the stream sends")
    }
}

/// An answer of the service.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: String,
    body: Value,
}

impl Answer {
    fn has(&self, header: &str) -> bool {
        self.headers
            .lines()
            .any(|line| line.eq_ignore_ascii_case(header))
    }
}

/// Sends a request on a connection of its own.
async fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> std::io::Result<Answer> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n");
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    if !body.is_empty() {
        let length = body.len();
        text.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {length}\r\n"
        ));
    }
    raw(address, format!("{text}\r\n{body}").as_bytes()).await
}

/// Sends bytes, and reads the answer until the service closes the connection.
async fn raw(address: &str, bytes: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(30), read).await;
    read.expect("the service answers")?;
    let answer = String::from_utf8(answer).unwrap();
    let Some((headers, body)) = answer.split_once("\r\n\r\n") else {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    };
    Ok(Answer {
        status: headers.split(' ').nth(1).unwrap().parse().unwrap(),
        body: serde_json::from_str(body).unwrap_or_else(|_| body.into()),
        headers: headers.to_owned(),
    })
}

/// Creates a key, with the test's changes, and returns its header.
async fn key(bank: &TestBank, scopes: &[Scope], change: impl FnOnce(&mut NewApiKey)) -> String {
    let secret = ApiKeySecret::generate().unwrap();
    let mut new = NewApiKey::new("test", secret.prefix(), secret.hash(), scopes.to_vec());
    change(&mut new);
    let admin = bank.ledger.acting_as("admin:1".parse().unwrap());
    let transaction = admin.begin_change().await.unwrap();
    api_keys::create(&transaction, &new).await.unwrap();
    transaction.commit().await.unwrap();
    format!("authorization: Bearer {}", secret.reveal())
}

fn transfer(from: impl ToString, to: impl ToString, amount: &str) -> String {
    let (from, to) = (from.to_string(), to.to_string());
    let amount = serde_json::json!({ "amount": amount, "currency": "CZK" });
    serde_json::json!({ "from": from, "to": to, "amount": amount }).to_string()
}

/// Sends a request that moves money under an idempotency key.
async fn post(service: &Service, bearer: &str, path: &str, key: &str, body: &Value) -> Answer {
    let k = with_key(key);
    let headers = [bearer, k.as_str()];
    service
        .send("POST", path, &headers, &body.to_string())
        .await
}

fn amount(text: &str) -> Value {
    serde_json::json!({ "amount": text, "currency": "CZK" })
}

/// Fails the test unless an answer has a status and a kind.
#[track_caller]
fn assert_problem(answer: &Answer, status: u16, kind: &str) {
    let found = (answer.status, &answer.body["kind"]);
    assert_eq!(found, (status, &kind.into()), "{answer:?}");
    assert!(
        answer.has("content-type: application/problem+json"),
        "{answer:?}"
    );
}

fn with_key(key: &str) -> String {
    format!("idempotency-key: {key}")
}
