//! TLS of the service: requests, plain HTTP, the exchange of the certificate, and slow handshakes.

use std::io::{BufRead as _, BufReader};
use std::sync::Arc;
use std::time::{Duration, Instant};

use neobank_domain::api_keys::Scope;
use neobank_server::{
    ConsoleOptions, Limits, Server, ServiceState, Tls, TlsError, TlsFiles, Workers,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Running, key, transfer, with_key};
use crate::cli::program::{neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    transfer_over_tls_moves_money_and_answers_ask_for_tls_alone,
    plain_http_on_a_tls_port_is_closed_and_frees_its_place,
    exchanged_certificate_is_for_new_connections_and_old_ones_go_on,
    metrics_have_the_expiry_of_the_certificate_in_use,
    broken_certificate_keeps_the_old_one_until_a_right_one_comes,
    unfinished_handshakes_do_not_stop_others_and_end_in_time,
    command_with_a_certificate_listens_for_other_machines_and_rejects_a_wrong_pair,
);

/// A certificate for `localhost` with its private key.
struct Pair {
    certificate: rcgen::Certificate,
    key: String,
}

impl Pair {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate: made.cert,
            key: made.signing_key.serialize_pem(),
        }
    }

    fn write(&self, files: &TlsFiles) {
        std::fs::write(&files.certificate, self.certificate.pem()).unwrap();
        std::fs::write(&files.key, &self.key).unwrap();
    }

    /// Connects, and trusts this certificate alone.
    async fn connect(&self, address: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let connected = tokio::time::timeout(Duration::from_secs(30), connecting).await;
        connected.expect("the handshake ends")
    }

    /// Sends a request on a connection of its own, and reads until the service ends it.
    async fn send(&self, address: &str, request: &str) -> std::io::Result<String> {
        let mut stream = self.connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(30), read).await;
        read.expect("the service answers")?;
        Ok(answer)
    }

    /// Sends a request until the service takes it.
    async fn send_until_taken(&self, address: &str) -> String {
        let begun = Instant::now();
        loop {
            match self.send(address, LIVE).await {
                Ok(answer) => return answer,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Pair {
    /// Makes a certificate that expires at the end of a year.
    fn until(year: i32) -> Self {
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 12, 31);
        let key = rcgen::KeyPair::generate().unwrap();
        Self {
            certificate: parameters.self_signed(&key).unwrap(),
            key: key.serialize_pem(),
        }
    }
}

/// A service with TLS on a test's bank.
struct Encrypted {
    address: String,
    files: TlsFiles,
    pair: Pair,
    task: JoinHandle<usize>,
    _folder: tempfile::TempDir,
}

impl Encrypted {
    async fn on(bank: &TestBank, limits: Limits) -> Self {
        let (folder, files) = files();
        let pair = Pair::new();
        pair.write(&files);
        let state = ServiceState::new(bank.ledger.clone(), limits);
        let listen = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(&listen, state).await.unwrap();
        let server = server
            .with_console(ConsoleOptions::default())
            .with_workers(Workers::none())
            .with_tls(Tls::load(files.clone()).unwrap());
        let address = server
            .address()
            .strip_prefix("https://")
            .unwrap()
            .to_owned();
        Self {
            address,
            files,
            pair,
            task: tokio::spawn(server.run(std::future::pending::<()>())),
            _folder: folder,
        }
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const LIVE: &str = "GET /health/live HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n\r\n";

/// More than the pause between two looks at the files.
const A_LOOK: Duration = Duration::from_secs(4);

fn files() -> (tempfile::TempDir, TlsFiles) {
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("service.crt"),
        key: folder.path().join("service.key"),
    };
    (folder, files)
}

/// Sends a request on an open connection, and reads the answer's headers.
async fn on_open_connection(stream: &mut TlsStream<TcpStream>) -> String {
    let request = "HEAD /health/live HTTP/1.1\r\nhost: bank\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
    }
    String::from_utf8(answer).unwrap()
}

#[track_caller]
fn assert_starts(answer: &str, start: &str) {
    assert!(answer.starts_with(start), "{answer}");
}

async fn transfer_over_tls_moves_money_and_answers_ask_for_tls_alone(bank: TestBank) {
    let service = Encrypted::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let body = transfer(from, to, "30");
    let request = format!(
        "POST /v1/transfers HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n{bearer}\r\n{}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        with_key("k"),
        body.len()
    );
    let (address, pair) = (&service.address, &service.pair);
    let answer = pair.send(address, &request).await.unwrap();
    assert_starts(&answer, "HTTP/1.1 201 ");
    assert_eq!(bank.balance(to).await, czk("30"));
    let mut answers = vec![answer];
    for path in ["/v1/nothing", "/v1/accounts", "/console/sign-in"] {
        let request = LIVE.replace("/health/live", path);
        answers.push(pair.send(address, &request).await.unwrap());
    }
    for answer in &answers {
        let header = "\r\nstrict-transport-security: max-age=31536000\r\n";
        assert!(answer.contains(header), "{answer}");
    }
    let sign_in = answers.last().unwrap();
    let cookie = sign_in.lines().find(|line| line.starts_with("set-cookie:"));
    assert!(cookie.unwrap().contains("; Secure"), "{sign_in}");
    let connected = pair.connect(address).await.unwrap();
    let protocol = connected.get_ref().1.alpn_protocol();
    assert_eq!(protocol, Some(&b"http/1.1"[..]));
}

async fn plain_http_on_a_tls_port_is_closed_and_frees_its_place(bank: TestBank) {
    let mut limits = Limits::default();
    limits.connections_max = 1;
    let service = Encrypted::on(&bank, limits).await;
    for sent in [
        LIVE.as_bytes(),
        b"\x16\x03\x01\x00\x04ABCD",
        b"\x00\xff\x00",
    ] {
        // The place of the connection before may not yet be free, and then this one is closed too.
        for _ in 0..5 {
            let mut stream = TcpStream::connect(&service.address).await.unwrap();
            let _ = stream.write_all(sent).await;
            let _ = stream.shutdown().await;
            let mut received = Vec::new();
            let read = stream.read_to_end(&mut received);
            let read = tokio::time::timeout(Duration::from_secs(5), read).await;
            let _ = read.expect("the service closes the connection");
            let text = String::from_utf8_lossy(&received);
            assert!(!text.contains("HTTP/1.1 200"), "{text}");
        }
        let answer = service.pair.send_until_taken(&service.address).await;
        assert_starts(&answer, "HTTP/1.1 200 ");
    }
}

async fn exchanged_certificate_is_for_new_connections_and_old_ones_go_on(bank: TestBank) {
    let service = Encrypted::on(&bank, Limits::default()).await;
    let (address, old) = (&service.address, &service.pair);
    let mut open = old.connect(address).await.unwrap();
    assert_starts(&on_open_connection(&mut open).await, "HTTP/1.1 200 ");
    let new = Pair::new();
    assert!(new.send(address, LIVE).await.is_err());
    new.write(&service.files);
    let answer = new.send_until_taken(address).await;
    assert_starts(&answer, "HTTP/1.1 200 ");
    let error = old.connect(address).await.unwrap_err().to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
    assert_starts(&on_open_connection(&mut open).await, "HTTP/1.1 200 ");
}

async fn metrics_have_the_expiry_of_the_certificate_in_use(bank: TestBank) {
    const METRICS: &str = "GET /metrics HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n\r\n";
    const NAME: &str = "\nneobank_tls_certificate_expiration_timestamp_seconds ";
    let service = Encrypted::on(&bank, Limits::default()).await;
    let old = Pair::until(2041);
    old.write(&service.files);
    old.send_until_taken(&service.address).await;
    let page = old.send(&service.address, METRICS).await.unwrap();
    // The second, as `date --utc --date=2041-12-31 +%s` prints it.
    assert!(page.contains(&format!("{NAME}2272060800\n")), "{page}");
    let new = Pair::until(2042);
    new.write(&service.files);
    new.send_until_taken(&service.address).await;
    let page = new.send(&service.address, METRICS).await.unwrap();
    assert!(page.contains(&format!("{NAME}2303596800\n")), "{page}");
    let plain = super::Service::on(&bank, Limits::default()).await;
    let page = plain.send("GET", "/metrics", &[], "").await;
    let page = page.body.as_str().unwrap();
    assert!(!page.contains(NAME), "{page}");
}

async fn broken_certificate_keeps_the_old_one_until_a_right_one_comes(bank: TestBank) {
    let service = Encrypted::on(&bank, Limits::default()).await;
    let (address, old, files) = (&service.address, &service.pair, &service.files);
    let other = Pair::new();
    std::fs::write(&files.certificate, other.certificate.pem()).unwrap();
    tokio::time::sleep(A_LOOK).await;
    assert_starts(&old.send(address, LIVE).await.unwrap(), "HTTP/1.1 200 ");
    std::fs::write(&files.certificate, "no certificate").unwrap();
    std::fs::remove_file(&files.key).unwrap();
    tokio::time::sleep(A_LOOK).await;
    assert_starts(&old.send(address, LIVE).await.unwrap(), "HTTP/1.1 200 ");
    other.write(files);
    let answer = other.send_until_taken(address).await;
    assert_starts(&answer, "HTTP/1.1 200 ");
}

async fn unfinished_handshakes_do_not_stop_others_and_end_in_time(bank: TestBank) {
    let mut limits = Limits::default();
    limits.connections_max = 101;
    limits.handshake_timeout = Duration::from_secs(4);
    let service = Encrypted::on(&bank, limits).await;
    let (address, pair) = (&service.address, &service.pair);
    let begun = Instant::now();
    let mut silent = Vec::new();
    for number in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            // The beginning of a record of 512 bytes.
            let part = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
            stream.write_all(part).await.unwrap();
        }
        silent.push(stream);
    }
    let answer = pair.send(address, LIVE).await.unwrap();
    assert_starts(&answer, "HTTP/1.1 200 ");
    assert!(begun.elapsed() < Duration::from_secs(3), "{begun:?}");
    // Without a free place the unfinished handshakes leave theirs.
    silent.push(TcpStream::connect(address).await.unwrap());
    let answer = pair.send(address, LIVE).await.unwrap();
    assert_starts(&answer, "HTTP/1.1 200 ");
    for mut stream in silent {
        let mut received = Vec::new();
        let read = stream.read_to_end(&mut received);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await;
        assert_eq!(read.expect("the handshake ends").unwrap_or_default(), 0);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{begun:?}");
    let answer = pair.send_until_taken(address).await;
    assert_starts(&answer, "HTTP/1.1 200 ");
}

async fn command_with_a_certificate_listens_for_other_machines_and_rejects_a_wrong_pair(
    bank: TestBank,
) {
    let (_folder, files) = files();
    let pair = Pair::new();
    pair.write(&files);
    let (certificate, key) = (
        files.certificate.to_str().unwrap(),
        files.key.to_str().unwrap(),
    );
    let listen = ["serve", "--listen", "0.0.0.0:0"];
    let tls = ["--tls-certificate", certificate, "--tls-key", key];
    let arguments = [&listen[..], &tls].concat();
    let mut child = Running(neobank(bank.url(), &arguments).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let mut line_with = |text: &str| {
        let mut found = lines.by_ref().map(Result::unwrap);
        found.find(|line| line.contains(text)).expect(text)
    };
    let line = line_with("listening on https://");
    let (_, port) = line.rsplit_once(':').unwrap();
    let address = format!("127.0.0.1:{port}");
    let answer = pair.send(&address, LIVE).await.unwrap();
    assert_starts(&answer, "HTTP/1.1 200 ");
    std::fs::write(&files.key, Pair::new().key).unwrap();
    let warning = line_with("the certificate is kept");
    assert!(
        warning.contains("is not that of the certificate"),
        "{warning}"
    );
    for (wrong, fault) in [
        (arguments.clone(), "is not that of the certificate"),
        (
            [&arguments[..4], &[key, "--tls-key", key]].concat(),
            "has no certificate",
        ),
        (
            [&arguments[..6], &[certificate]].concat(),
            "has no private key",
        ),
        (
            [&arguments[..6], &["/nothing"]].concat(),
            "/nothing cannot be read",
        ),
        (arguments[..5].to_vec(), "--tls-key"),
        (
            [&["serve", "--listen", "unix:/tmp/s"][..], &tls].concat(),
            "needs no TLS",
        ),
    ] {
        let refused = run(bank.url(), &wrong).await;
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains(fault), "{}", refused.err);
    }
    let error = Tls::load(files.clone()).unwrap_err();
    assert!(matches!(error, TlsError::Mismatch { .. }), "{error:?}");
}
