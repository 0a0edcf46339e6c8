//! Streams of requests: a line for each request and each outcome.

use std::time::Duration;

use neobank_domain::AccountId;
use neobank_domain::api_keys::{self, Scope};
use neobank_server::Limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Service, amount, key, raw};
use crate::harness::{TestBank, czk};

on_both_versions!(
    stream_is_answered_line_by_line_while_it_goes_on,
    long_stream_shares_transactions_and_keeps_its_order,
    stream_ends_at_its_limits_and_keeps_what_it_acknowledged,
    cut_line_is_not_executed,
    streams_above_their_limit_are_rejected_and_leave_room_for_others,
    silent_stream_ends_with_the_service,
    revoked_key_ends_its_stream,
    stopping_service_ends_its_streams,
);

/// A stream on a connection of its own.
struct Stream {
    connection: TcpStream,
    received: Vec<u8>,
}

impl Stream {
    async fn open(service: &Service, bearer: &str) -> Self {
        let mut connection = TcpStream::connect(&service.address).await.unwrap();
        let head = format!(
            "POST /v1/batches HTTP/1.1\r\nhost: bank\r\n{bearer}\r\ntransfer-encoding: chunked\r\n\
             content-type: application/x-ndjson\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let received = Vec::new();
        Self {
            connection,
            received,
        }
    }

    async fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.connection.write_all(chunk.as_bytes()).await.unwrap();
    }

    /// Returns the next outcome, or `None` when the service has closed the connection.
    async fn outcome(&mut self) -> Option<Value> {
        loop {
            let start = self.received.windows(2).position(|two| two == b"\n{");
            let rest = start.map(|start| &self.received[start + 1..]);
            let end = rest.and_then(|rest| rest.iter().position(|byte| *byte == b'\n'));
            if let (Some(start), Some(rest), Some(end)) = (start, rest, end) {
                let outcome = serde_json::from_slice(&rest[..end]).unwrap();
                self.received.drain(..start + 1 + end);
                return Some(outcome);
            }
            let read = self.connection.read_buf(&mut self.received);
            let read = tokio::time::timeout(Duration::from_secs(30), read).await;
            if read.expect("the service answers").unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

fn line(key: &str, from: AccountId, to: AccountId) -> String {
    let transfer = json!({ "from": from, "to": to, "amount": amount("1") });
    format!(
        "{}\n",
        json!({ "idempotency_key": key, "transfer": transfer })
    )
}

async fn two_accounts(bank: &TestBank) -> (AccountId, AccountId) {
    (
        bank.account(czk("10000")).await,
        bank.account(czk("0")).await,
    )
}

async fn stream_is_answered_line_by_line_while_it_goes_on(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = two_accounts(&bank).await;
    let mut stream = Stream::open(&service, &bearer).await;
    for number in 0..3 {
        stream.send(&line(&format!("k-{number}"), from, to)).await;
        let outcome = stream.outcome().await.unwrap();
        assert_eq!(outcome["status"], 201, "{outcome}");
        assert_eq!(outcome["idempotency_key"], format!("k-{number}"));
    }
    // Wrong lines have an outcome of their own, and a line may come in parts.
    stream
        .send("{\"idempotency_key\": \"x\"}\n[1]\n\n \r\n")
        .await;
    let parts = line("parts", from, to);
    let (begin, end) = parts.split_at(30);
    stream.send(begin).await;
    assert_eq!(
        stream.outcome().await.unwrap()["problem"]["kind"],
        "invalid"
    );
    assert_eq!(
        stream.outcome().await.unwrap()["problem"]["kind"],
        "malformed"
    );
    stream.send(end).await;
    assert_eq!(stream.outcome().await.unwrap()["idempotency_key"], "parts");
    stream.send(&line("k-1", from, to)).await;
    assert_eq!(
        stream.outcome().await.unwrap()["idempotency_replayed"],
        true
    );
    assert_eq!(bank.balance(to).await, czk("4"));
}

async fn long_stream_shares_transactions_and_keeps_its_order(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = two_accounts(&bank).await;
    let lines = (0..2_000).map(|number| line(&format!("k-{number}"), from, to));
    let lines: String = lines.collect();
    let head = format!(
        "POST /v1/batches HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n{bearer}\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n{lines}",
        lines.trim_end().len()
    );
    let answer = raw(&service.address, head.trim_end().as_bytes())
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.headers);
    assert!(
        answer.has("content-type: application/x-ndjson"),
        "{}",
        answer.headers
    );
    let outcomes = answer.body.as_str().unwrap().lines();
    let outcomes = outcomes.filter(|line| line.starts_with('{'));
    let outcomes: Vec<Value> = outcomes
        .map(|one| serde_json::from_str(one).unwrap())
        .collect();
    assert_eq!(outcomes.len(), 2_000);
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome["status"], 201, "{outcome}");
        assert_eq!(outcome["idempotency_key"], format!("k-{number}"));
    }
    let metrics = service.send("GET", "/metrics", &[], "").await;
    let metrics = metrics.body.as_str().unwrap();
    let batches = metrics
        .lines()
        .find_map(|line| line.strip_prefix("neobank_group_commit_batches_total "));
    let batches: u32 = batches.unwrap().parse().unwrap();
    assert!(batches < 400, "{batches} transactions for 2000 requests");
    assert_eq!(bank.balance(to).await, czk("2000"));
    bank.assert_sound().await;
}

async fn stream_ends_at_its_limits_and_keeps_what_it_acknowledged(bank: TestBank) {
    let mut limits = Limits::default();
    limits.body_timeout = Duration::from_millis(400);
    limits.body_bytes_max = 400;
    let service = Service::on(&bank, limits).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = two_accounts(&bank).await;
    for (end, kind) in [
        ("{\"idempotency_key\"", "body_timeout"),
        (&"x".repeat(500), "body_too_large"),
    ] {
        let mut stream = Stream::open(&service, &bearer).await;
        stream.send(&line(kind, from, to)).await;
        stream.send(end).await;
        assert_eq!(stream.outcome().await.unwrap()["status"], 201);
        assert_eq!(stream.outcome().await.unwrap()["problem"]["kind"], kind);
        assert_eq!(stream.outcome().await, None);
    }
    assert_eq!(bank.balance(to).await, czk("2"));
}

async fn cut_line_is_not_executed(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = two_accounts(&bank).await;
    let mut stream = Stream::open(&service, &bearer).await;
    stream.send(&line("whole", from, to)).await;
    assert_eq!(stream.outcome().await.unwrap()["status"], 201);
    stream.send(line("cut", from, to).trim_end()).await;
    drop(stream);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(bank.balance(to).await, czk("1"));
}

async fn streams_above_their_limit_are_rejected_and_leave_room_for_others(bank: TestBank) {
    let mut limits = Limits::default();
    limits.batch_streams_max = 1;
    limits.requests_max = 1;
    let service = Service::on(&bank, limits).await;
    let bearer = key(&bank, &[Scope::TransfersWrite, Scope::AccountsRead], |_| {}).await;
    let (from, to) = two_accounts(&bank).await;
    let mut stream = Stream::open(&service, &bearer).await;
    stream.send(&line("k", from, to)).await;
    assert_eq!(stream.outcome().await.unwrap()["status"], 201);
    let mut rejected = Stream::open(&service, &bearer).await;
    rejected
        .connection
        .read_to_end(&mut rejected.received)
        .await
        .unwrap();
    let rejected = String::from_utf8(rejected.received).unwrap();
    assert!(rejected.starts_with("HTTP/1.1 503") && rejected.contains("connection: close"));
    let path = format!("/v1/accounts/{to}");
    assert_eq!(service.send("GET", &path, &[&bearer], "").await.status, 200);
    drop(stream);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut stream = Stream::open(&service, &bearer).await;
    stream.send(&line("again", from, to)).await;
    assert_eq!(stream.outcome().await.unwrap()["status"], 201);
}

async fn silent_stream_ends_with_the_service(bank: TestBank) {
    let mut limits = Limits::default();
    limits.drain_delay = Duration::from_millis(100);
    let mut service = Service::on(&bank, limits).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let mut stream = Stream::open(&service, &bearer).await;
    stream.send("\n").await;
    service.stop.take().unwrap().send(()).unwrap();
    let last = stream.outcome().await.unwrap();
    assert_eq!(last["problem"]["kind"], "stopping", "{last}");
    assert_eq!(service.task.await.unwrap(), 0);
}

async fn revoked_key_ends_its_stream(bank: TestBank) {
    let mut limits = Limits::default();
    limits.key_cache_time = Duration::ZERO;
    let service = Service::on(&bank, limits).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = two_accounts(&bank).await;
    let mut stream = Stream::open(&service, &bearer).await;
    stream.send(&line("before", from, to)).await;
    assert_eq!(stream.outcome().await.unwrap()["status"], 201);
    let listed = api_keys::list(&bank.database).await.unwrap();
    let change = bank.ledger.acting_as("admin:1".parse().unwrap());
    let change = change.begin_change().await.unwrap();
    api_keys::revoke(&change, listed[0].api_key_id)
        .await
        .unwrap();
    change.commit().await.unwrap();
    stream.send(&line("after", from, to)).await;
    assert_eq!(stream.outcome().await.unwrap()["status"], 401);
    assert_eq!(bank.balance(to).await, czk("1"));
}

async fn stopping_service_ends_its_streams(bank: TestBank) {
    let mut limits = Limits::default();
    limits.drain_delay = Duration::from_millis(100);
    let mut service = Service::on(&bank, limits).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = two_accounts(&bank).await;
    let mut stream = Stream::open(&service, &bearer).await;
    stream.send(&line("before", from, to)).await;
    assert_eq!(stream.outcome().await.unwrap()["status"], 201);
    service.stop.take().unwrap().send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.send(&line("after", from, to)).await;
    let last = stream.outcome().await.unwrap();
    let last = if last["status"] == 201 {
        stream.outcome().await.unwrap()
    } else {
        last
    };
    assert_eq!(
        (&last["status"], &last["problem"]["kind"]),
        (&503.into(), &"stopping".into())
    );
    assert_eq!(stream.outcome().await, None);
    assert_eq!(service.task.await.unwrap(), 0);
}
