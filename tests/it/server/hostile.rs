//! Clients that are slow, endless, malformed or too many, and the way to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use neobank_db::{Executor, statement};
use neobank_domain::Ledger;
use neobank_domain::api_keys::Scope;
use neobank_server::{Limits, Server, ServiceState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Service, key, raw, send, transfer, with_key};
use crate::harness::{TestBank, czk, lock_account};

on_both_versions!(
    slow_endless_and_malformed_requests_end_within_their_limits,
    requests_above_their_limit_are_answered_at_once,
    connections_without_a_request_leave_their_places_to_others,
    connections_that_begin_together_wait_for_the_server,
    deadline_ends_a_request_that_waits_for_a_lock,
    stopping_service_is_not_ready_first_and_ends_requests_at_work,
    connections_without_a_whole_request_do_not_hold_the_stop_up,
    slow_reader_gets_its_whole_answer_while_the_service_stops,
    service_that_cannot_read_keys_is_not_ready,
    wrong_members_and_addresses_are_problems,
    socket_of_a_killed_service_is_taken_over,
);

async fn slow_endless_and_malformed_requests_end_within_their_limits(bank: TestBank) {
    let mut limits = Limits::default();
    limits.header_timeout = Duration::from_millis(300);
    limits.body_timeout = Duration::from_millis(300);
    limits.body_bytes_max = 1_000;
    let service = Service::on(&bank, limits).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let head = format!(
        "POST /v1/transfers HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n{bearer}\r\n\
         idempotency-key: k\r\ncontent-type: application/json\r\n"
    );
    let post = async |rest: &[u8]| {
        raw(&service.address, &[head.as_bytes(), rest].concat())
            .await
            .unwrap()
            .status
    };
    // Neither an open connection nor half of the headers keeps its place.
    for start in ["", "GET /health/live HT"] {
        let begun = Instant::now();
        let mut slow = TcpStream::connect(&service.address).await.unwrap();
        slow.write_all(start.as_bytes()).await.unwrap();
        let _ = slow.read_to_end(&mut Vec::new()).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{start}");
    }
    assert_eq!(post(b"content-length: 100\r\n\r\n{").await, 408);
    assert_eq!(post(b"content-length: 2000\r\n\r\n").await, 413);
    let chunk = format!(
        "transfer-encoding: chunked\r\n\r\n7d0\r\n{}\r\n",
        " ".repeat(2_000)
    );
    assert_eq!(post(chunk.as_bytes()).await, 413);
    assert_eq!(post(b"content-length: 4\r\n\r\n{\"\xff\"").await, 400);
    let deep = "[".repeat(900);
    let status = post(format!("content-length: 900\r\n\r\n{deep}").as_bytes()).await;
    assert!(status == 400 || status == 422, "{status}");
    let long = format!(
        "GET / HTTP/1.1\r\nhost: bank\r\nx: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    assert_eq!(
        raw(&service.address, long.as_bytes()).await.unwrap().status,
        431
    );
    let many = format!(
        "GET / HTTP/1.1\r\nhost: bank\r\n{}\r\n",
        "x: 1\r\n".repeat(100)
    );
    assert_eq!(
        raw(&service.address, many.as_bytes()).await.unwrap().status,
        431
    );
    assert_eq!(
        raw(&service.address, b"\x16\x03\x01 nonsense\r\n\r\n")
            .await
            .unwrap()
            .status,
        400
    );
    assert_eq!(
        service.send("GET", "/health/ready", &[], "").await.status,
        200
    );
}

async fn requests_above_their_limit_are_answered_at_once(bank: TestBank) {
    let mut limits = Limits::default();
    limits.requests_max = 0;
    let service = Service::on(&bank, limits).await;
    let busy = service.send("GET", "/v1/accounts/x", &[], "").await;
    assert_eq!(
        (busy.status, &busy.body["kind"]),
        (503, &"overloaded".into()),
        "{busy:?}"
    );
    assert!(busy.has("retry-after: 1"), "{busy:?}");
    assert_eq!(
        service.send("GET", "/health/live", &[], "").await.status,
        200
    );
    let metrics = service.send("GET", "/metrics", &[], "").await;
    assert!(
        metrics
            .body
            .as_str()
            .unwrap()
            .contains("answers_total{class=\"5xx\"} 1")
    );
}

async fn connections_without_a_request_leave_their_places_to_others(bank: TestBank) {
    let mut limits = Limits::default();
    limits.connections_max = 4;
    // No idle connection ends by its own time.
    limits.header_timeout = Duration::from_secs(300);
    let service = Service::on(&bank, limits).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    // Two are idle before and after a request, one has sent a part of one.
    let mut idle = Vec::new();
    for part in [
        "",
        "GET /health/live HTTP/1.1\r\nhost: bank\r\n\r\n",
        "GET /health",
    ] {
        let mut stream = TcpStream::connect(&service.address).await.unwrap();
        stream.write_all(part.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    let locked = bank.database.begin().await.unwrap();
    lock_account(&locked, from).await;
    let attempts = Arc::new(AtomicUsize::new(0));
    let at_work = (0..4).map(|number| {
        let (address, bearer) = (service.address.clone(), bearer.clone());
        let (k, body) = (with_key(&format!("k{number}")), transfer(from, to, "1"));
        let attempts = Arc::clone(&attempts);
        // A machine under load reads a request late, and its connection may have left by then.
        tokio::spawn(async move {
            loop {
                attempts.fetch_add(1, Ordering::SeqCst);
                let headers = [bearer.as_str(), k.as_str()];
                match send(&address, "POST", "/v1/transfers", &headers, &body).await {
                    Ok(answer) if answer.status != 503 => return answer,
                    _ => {}
                }
            }
        })
    });
    let at_work: Vec<_> = at_work.collect();
    for mut stream in idle {
        let mut received = Vec::new();
        let read = stream.read_to_end(&mut received);
        let read = tokio::time::timeout(Duration::from_secs(30), read).await;
        let _ = read.expect("the service closes the connection");
    }
    // Once each place has a request at work, others find none, and the requests stay.
    let others_find_no_place = async {
        loop {
            let before = attempts.load(Ordering::SeqCst);
            let answer = send(&service.address, "GET", "/health/live", &[], "").await;
            let is_full = answer.is_ok_and(|answer| answer.status == 503);
            if is_full && attempts.load(Ordering::SeqCst) == before {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), others_find_no_place)
        .await
        .expect("requests at work keep their places");
    drop(locked);
    for answer in at_work {
        assert_eq!(answer.await.unwrap().status, 201);
    }
    let live = service.send("GET", "/health/live", &[], "").await;
    assert_eq!(live.status, 200);
    assert_eq!(bank.balance(to).await, czk("4"));
}

async fn connections_that_begin_together_wait_for_the_server(bank: TestBank) {
    let state = ServiceState::new(Ledger::new(bank.database.clone()), Limits::default());
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(&listen, state).await.unwrap();
    let address = server.address().strip_prefix("http://").unwrap();
    // The server does not run yet, and accepts none of them.
    let mut connections = Vec::new();
    for number in 0..300 {
        let connection = TcpStream::connect(address);
        let connection = tokio::time::timeout(Duration::from_secs(30), connection).await;
        let connection = connection.unwrap_or_else(|_| panic!("connection {number} is lost"));
        connections.push(connection.unwrap());
    }
}

async fn deadline_ends_a_request_that_waits_for_a_lock(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let locked = bank.database.begin().await.unwrap();
    lock_account(&locked, from).await;
    let begun = Instant::now();
    let k = with_key("k");
    let headers = [bearer.as_str(), &k, "request-timeout: 1"];
    let late = service
        .send("POST", "/v1/transfers", &headers, &transfer(from, to, "1"))
        .await;
    assert_eq!(late.status, 503, "{late:?}");
    assert!(late.has("retry-after: 1"), "{late:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    drop(locked);
}

async fn stopping_service_is_not_ready_first_and_ends_requests_at_work(bank: TestBank) {
    let mut limits = Limits::default();
    limits.drain_delay = Duration::from_millis(500);
    let mut service = Service::on(&bank, limits).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let locked = bank.database.begin().await.unwrap();
    lock_account(&locked, from).await;
    let address = service.address.clone();
    let body = transfer(from, to, "1");
    let at_work = tokio::spawn(async move {
        let k = with_key("k");
        send(&address, "POST", "/v1/transfers", &[&bearer, &k], &body)
            .await
            .unwrap()
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    service.stop.take().unwrap().send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        service.send("GET", "/health/ready", &[], "").await.status,
        503
    );
    assert_eq!(
        service.send("GET", "/health/live", &[], "").await.status,
        200
    );
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(TcpStream::connect(&service.address).await.is_err());
    drop(locked);
    assert_eq!(at_work.await.unwrap().status, 201);
    assert_eq!(service.task.await.unwrap(), 0);
    assert_eq!(bank.balance(to).await, czk("1"));
}

/// Neither a silent connection, nor half of a request on a new one or behind an answer.
async fn connections_without_a_whole_request_do_not_hold_the_stop_up(bank: TestBank) {
    let mut limits = Limits::default();
    limits.drain_delay = Duration::from_millis(100);
    let mut service = Service::on(&bank, limits).await;
    let whole = "GET /health/live HTTP/1.1\r\nhost: bank\r\n\r\n";
    let half = "GET /health/live HTTP/1.1\r\nhost: b";
    let mut open = Vec::new();
    for (sent, is_answered) in [
        (String::new(), false),
        (half.to_owned(), false),
        (whole.to_owned(), true),
        (format!("{whole}{half}"), true),
    ] {
        let mut stream = TcpStream::connect(&service.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        if is_answered {
            let mut answer = Vec::new();
            while !answer.ends_with(b"live\n") {
                assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
            }
        }
        open.push(stream);
    }
    let begun = Instant::now();
    service.stop.take().unwrap().send(()).unwrap();
    assert_eq!(service.task.await.unwrap(), 0);
    assert!(begun.elapsed() < Duration::from_secs(3), "{begun:?}");
}

async fn slow_reader_gets_its_whole_answer_while_the_service_stops(bank: TestBank) {
    let mut limits = Limits::default();
    limits.drain_delay = Duration::from_millis(100);
    let mut service = Service::on(&bank, limits).await;
    let mut stream = TcpStream::connect(&service.address).await.unwrap();
    // More answers than the buffers of both ends take.
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: bank\r\n\r\n".repeat(100);
    stream.write_all(requests.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    service.stop.take().unwrap().send(()).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!service.task.is_finished());
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    let received = String::from_utf8(received).unwrap();
    // Every answer that has begun is whole.
    let whole = send_openapi_length();
    let answers = received.split("HTTP/1.1 200 OK").skip(1);
    for answer in answers {
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), whole);
    }
    assert_eq!(service.task.await.unwrap(), 0);
}

fn send_openapi_length() -> usize {
    neobank_server::openapi().len()
}

async fn service_that_cannot_read_keys_is_not_ready(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let ready = async || service.send("GET", "/health/ready", &[], "").await.status;
    assert_eq!(ready().await, 200);
    let superuser = bank.superuser().await;
    let sql = "REVOKE SELECT ON banking.api_keys FROM neobank_app";
    superuser.execute(statement(sql, [])).await.unwrap();
    assert_eq!(ready().await, 503);
}

async fn wrong_members_and_addresses_are_problems(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    let account = bank.account(czk("10")).await;
    for kind in [
        "null",
        "1",
        r#"["deposit"]"#,
        r#"{"deposit": null}"#,
        r#""gift""#,
    ] {
        let body = format!(
            r#"{{"account": "{account}", "kind": {kind},
                "amount": {{"amount": "5", "currency": "CZK"}}}}"#
        );
        let k = with_key("k");
        let answer = service
            .send("POST", "/v1/postings", &[&bearer, &k], &body)
            .await;
        assert_eq!(
            (answer.status, &answer.body["field"]),
            (422, &"kind".into()),
            "{kind}: {answer:?}"
        );
    }
    let answer = service
        .send("GET", "/v1/accounts/%ff", &[&bearer], "")
        .await;
    assert_eq!(
        (answer.status, &answer.body["field"]),
        (400, &"account_id".into()),
        "{answer:?}"
    );
    assert_eq!(bank.balance(account).await, czk("10"));
}

async fn socket_of_a_killed_service_is_taken_over(bank: TestBank) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let listen = format!("unix:{}", path.display()).parse().unwrap();
    let state = || ServiceState::new(Ledger::new(bank.database.clone()), Limits::default());
    // A listener that is dropped leaves its path behind, as a killed process does.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let first = Server::bind(&listen, state()).await.unwrap();
    let second = Server::bind(&listen, state()).await.unwrap_err();
    assert_eq!(second.kind(), std::io::ErrorKind::AddrInUse);
    drop(first);
    assert!(!path.exists());
}
