//! The command `neobank serve`: a key from the command line, and kills under load.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::time::Duration;

use neobank_domain::api_keys::Scope;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Answer, key, send, transfer, with_key};
use crate::cli::program::{data, neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    repeated_requests_move_money_once_through_kills_of_the_server,
    acknowledged_requests_of_batches_happen_once_through_kills_of_the_server,
    plain_http_is_refused_where_other_machines_reach_it,
);

/// Starts the service, and returns it with its address.
pub(super) fn start(url: &str, listen: &str) -> (Child, String) {
    start_with(url, listen, &[])
}

/// Starts the service with further options, and returns it with its address.
pub(super) fn start_with(url: &str, listen: &str, options: &[&str]) -> (Child, String) {
    start_command(url, listen, options, |_| {})
}

/// As [`start_with`], with a change of the command, such as of its environment.
pub(super) fn start_command(
    url: &str,
    listen: &str,
    options: &[&str],
    change: impl FnOnce(&mut Command),
) -> (Child, String) {
    let arguments = [&["serve", "--listen", listen], options].concat();
    let mut command = neobank(url, &arguments);
    change(&mut command);
    let mut child = command.spawn().unwrap();
    let errors = child.stderr.take().unwrap();
    let mut lines = BufReader::new(errors).lines().map(Result::unwrap);
    let address = lines.find_map(|line| Some(line.split_once("http://")?.1.to_owned()));
    // Reads the log on, so that its pipe never fills.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.expect("the command names its address"))
}

async fn repeated_requests_move_money_once_through_kills_of_the_server(bank: TestBank) {
    let scope = ["--scope", "transfers:write", "--actor", "admin:1"];
    let create = [&["api-key", "create", "--name", "load"][..], &scope].concat();
    let created = data(bank.url(), &create).await;
    let bearer = format!("authorization: Bearer {}", created["key"].as_str().unwrap());
    let listed = run(bank.url(), &["api-key", "list"]).await;
    assert!(
        !listed.out.contains(created["key"].as_str().unwrap()),
        "{}",
        listed.out
    );
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let body = transfer(from, to, "1");
    let (mut child, address) = start(bank.url(), "127.0.0.1:0");
    let callers = (0..8).map(|caller| {
        let (address, bearer, body) = (address.clone(), bearer.clone(), body.clone());
        tokio::spawn(async move {
            for number in 0..25 {
                let k = with_key(&format!("{caller}/{number}"));
                loop {
                    match send(&address, "POST", "/v1/transfers", &[&bearer, &k], &body).await {
                        Ok(Answer { status: 201, .. }) => break,
                        Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                        Err(_) => {}
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        child = start(bank.url(), &address).0;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(bank.balance(to).await, czk("200"));
    bank.assert_sound().await;
}

/// Arrays and streams take turns. A caller repeats a whole batch until it has seen each outcome.
async fn acknowledged_requests_of_batches_happen_once_through_kills_of_the_server(bank: TestBank) {
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = (
        bank.account(czk("10000")).await,
        bank.account(czk("0")).await,
    );
    let (mut child, address) = start(bank.url(), "127.0.0.1:0");
    let callers = (0..4).map(|caller| {
        let (address, bearer) = (address.clone(), bearer.clone());
        tokio::spawn(async move {
            let mut acknowledged = HashMap::new();
            for batch in 0..6 {
                let of = |number| {
                    let transfer: Value = serde_json::from_str(&transfer(from, to, "1")).unwrap();
                    let key = format!("{caller}/{batch}/{number}");
                    json!({ "idempotency_key": key, "transfer": transfer })
                };
                let requests: Vec<_> = (0..50).map(of).collect();
                let is_stream = batch % 2 == 0;
                let seen = |acknowledged: &HashMap<String, Value>| {
                    let keys = requests
                        .iter()
                        .map(|one| one["idempotency_key"].as_str().unwrap());
                    keys.filter(|key| acknowledged.contains_key(*key)).count()
                };
                while seen(&acknowledged) < requests.len() {
                    for outcome in batch_of(&address, &bearer, &requests, is_stream).await {
                        let status = &outcome["status"];
                        assert!(status == 201 || status == 503, "{outcome}");
                        if status == 201 {
                            let key = outcome["idempotency_key"].as_str().unwrap().to_owned();
                            let transfer = outcome["transfer"]["transfer_id"].clone();
                            let first = acknowledged.entry(key).or_insert(transfer.clone());
                            assert_eq!(*first, transfer, "{outcome}");
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            acknowledged.len()
        })
    });
    let callers: Vec<_> = callers.collect();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        child = start(bank.url(), &address).0;
    }
    let mut acknowledged = 0;
    for caller in callers {
        acknowledged += caller.await.unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(acknowledged, 1_200);
    assert_eq!(bank.balance(to).await, czk("1200"));
    assert_eq!(bank.count("banking.transfers").await, 1_201);
    bank.assert_sound().await;
}

/// Sends a batch, and returns the outcomes that arrived before the service was killed.
async fn batch_of(address: &str, bearer: &str, requests: &[Value], is_stream: bool) -> Vec<Value> {
    let (media_type, body) = if is_stream {
        let lines = requests.iter().map(|one| format!("{one}\n"));
        ("application/x-ndjson", lines.collect())
    } else {
        ("application/json", Value::from(requests).to_string())
    };
    let length = body.len();
    let request = format!(
        "POST /v1/batches HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n{bearer}\r\n\
         content-type: {media_type}\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(address).await {
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.read_to_end(&mut answer).await;
    }
    let answer = String::from_utf8(answer).unwrap();
    let Some((_, body)) = answer.split_once("\r\n\r\n") else {
        return Vec::new();
    };
    if !is_stream {
        return serde_json::from_str(body).unwrap_or_default();
    }
    let lines = body.lines().filter(|line| line.starts_with('{'));
    // The last line may be cut.
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

async fn plain_http_is_refused_where_other_machines_reach_it(bank: TestBank) {
    let refused = run(bank.url(), &["serve", "--listen", "0.0.0.0:0"]).await;
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("does not encrypt"), "{}", refused.err);
}
