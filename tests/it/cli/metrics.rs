//! `neobank serve-metrics`, scraped over HTTP as Prometheus does it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use neobank_cli::metrics::serve;
use neobank_db::{Database, DatabaseConfig, Executor, statement};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::EmptyDatabase;

on_empty_databases!(
    every_line_can_be_read,
    a_server_that_is_gone_is_told_and_nothing_old_with_it,
    one_scrape_at_a_time_and_each_ends,
);

async fn exporter(config: DatabaseConfig, timeout: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, config, timeout, std::future::pending()));
    address
}

/// Status, headers, body.
async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .unwrap()
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

/// Each sample by its name with labels; panics at a line that is neither a sample nor a comment.
fn samples(body: &str) -> BTreeMap<String, f64> {
    assert!(body.ends_with("# EOF\n"), "{body}");
    let mut samples = BTreeMap::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let word = comment.split(' ').next().unwrap();
            assert!(["HELP", "TYPE", "UNIT", "EOF"].contains(&word), "{line}");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("neobank_"), "{line}");
        let value: f64 = value.parse().unwrap();
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert_eq!(
            samples.insert(name.to_owned(), value),
            None,
            "twice: {line}"
        );
    }
    samples
}

async fn every_line_can_be_read(database: EmptyDatabase) {
    let config = DatabaseConfig::from_url(&database.url).unwrap();
    let address = exporter(config, Duration::from_secs(60)).await;
    let (status, head, body) = get(address, "/metrics").await;
    assert_eq!(status, 200, "{body}");
    assert!(
        head.contains("content-type: application/openmetrics-text"),
        "{head}"
    );
    let first = samples(&body);
    assert_eq!(first["neobank_up"], 1.0);
    assert_eq!(first["neobank_connections_usable"], 597.0);
    for section in [
        "connections",
        "sessions",
        "blocking",
        "counters",
        "wraparound",
    ] {
        let name = format!("neobank_section_available{{section=\"{section}\"}}");
        assert_eq!(first[&name], 1.0);
    }
    assert!(
        first
            .keys()
            .any(|name| name.starts_with("neobank_sessions{database=\""))
    );
    assert!(first.contains_key("neobank_database_age_transactions{database=\"template1\"}"));

    // A lock that is waited for is seen by the next scrape.
    let superuser = database.superuser().await;
    let sql = "CREATE TABLE public.hot AS SELECT 1 AS id";
    superuser.execute(statement(sql, [])).await.unwrap();
    let holder = superuser.begin().await.unwrap();
    let lock = "LOCK TABLE public.hot";
    holder.execute(statement(lock, [])).await.unwrap();
    let waiter = waiting(&superuser, lock);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let now = samples(&get(address, "/metrics").await.2);
        if now["neobank_lock_waiters"] >= 1.0 {
            assert!(now["neobank_lock_roots"] >= 1.0);
            assert!(now["neobank_commits_total"] >= first["neobank_commits_total"]);
            break;
        }
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(holder);
    waiter.abort();
    assert_eq!(get(address, "/").await.0, 404);
}

fn waiting(database: &Database, sql: &'static str) -> tokio::task::JoinHandle<()> {
    let database = database.clone();
    tokio::spawn(async move {
        let _ = database.execute(statement(sql, [])).await;
    })
}

async fn a_server_that_is_gone_is_told_and_nothing_old_with_it(database: EmptyDatabase) {
    let mut config = DatabaseConfig::from_url(&database.url).unwrap();
    config.hosts = vec!["127.0.0.1".to_owned()];
    // Nobody listens there: the port was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    config.ports = vec![free.local_addr().unwrap().port()];
    drop(free);
    let address = exporter(config, Duration::from_secs(60)).await;
    let (status, _, body) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    let names: Vec<_> = samples(&body).into_keys().collect();
    assert_eq!(names, ["neobank_scrape_duration_seconds", "neobank_up"]);
    assert!(body.contains("neobank_up 0\n"));
}

async fn one_scrape_at_a_time_and_each_ends(_: EmptyDatabase) {
    // A server that takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let url = format!("postgresql://nobody@127.0.0.1:{port}/none");
    let config = DatabaseConfig::from_url(&url).unwrap();
    let address = exporter(config, Duration::from_secs(2)).await;
    let (first, second) = tokio::join!(get(address, "/metrics"), get(address, "/metrics"));
    let mut statuses = [first.0, second.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
    let answered = if first.0 == 200 { first } else { second };
    assert_eq!(samples(&answered.2)["neobank_up"], 0.0);
    held.abort();
}
