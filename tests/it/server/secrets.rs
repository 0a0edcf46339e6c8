//! Secrets and the log: at the highest verbosity it has none.

use std::io::{BufRead as _, BufReader};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use neobank_domain::api_keys::Scope;
use serde_json::json;

use super::console::sign_in;
use super::issuer::{AUDIENCE, Key, TestIssuer};
use super::settings::Application;
use super::webhooks::receiver::{Receiver, Reply};
use super::{Running, key, send, transfer, with_key};
use crate::cli::program::{neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    log_of_the_highest_verbosity_has_no_secret,
    failed_start_shows_no_password,
);

/// A service that logs everything, with its log so far.
struct Logged {
    service: Running,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Logged {
    fn start(url: &str, options: &[&str]) -> Self {
        let always = ["serve", "--listen", "127.0.0.1:0", "-vvv"];
        let mut command = neobank(url, &[&always, options].concat());
        command
            .env("RUST_LOG", "trace")
            .env("OTEL_BSP_SCHEDULE_DELAY", "50")
            .env(
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Bearer otlp-secret",
            )
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        let mut service = Running(command.spawn().unwrap());
        let lines = BufReader::new(service.0.stderr.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let log = Arc::new(Mutex::new(String::new()));
        let own = Arc::clone(&log);
        let note = move |line: &str| {
            let mut log = own.lock().unwrap();
            log.push_str(line);
            log.push('\n');
        };
        let address = loop {
            let line = lines.next().expect("the service listens");
            note(&line);
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(|line| note(&line)));
        Self {
            service,
            address,
            log,
        }
    }

    async fn wait_for(&self, text: &str) {
        for _ in 0..500 {
            if self.log.lock().unwrap().contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no {text}: {}", self.log.lock().unwrap());
    }
}

fn secret(bearer: &str) -> String {
    bearer.rsplit(['_', ' ']).next().unwrap().to_owned()
}

async fn log_of_the_highest_verbosity_has_no_secret(bank: TestBank) {
    let application = Application::of(&bank).await;
    let signer = Key::ed("a");
    let issuer = TestIssuer::start(&[&signer]).await;
    let receiver = Receiver::start().await;
    receiver.reply([Reply::Status(500)], Reply::Status(200));
    let oidc = ["--oidc-issuer", &issuer.url, "--oidc-audience", AUDIENCE];
    let options = [&oidc[..], &["--webhook-private-addresses"]].concat();
    let logged = Logged::start(&application.url, &options);
    let address = logged.address.as_str();
    let mut secrets = vec!["canary".to_owned(), "otlp-secret".to_owned()];

    let admin = key(&bank, &[Scope::Admin], |_| {}).await;
    secrets.push(secret(&admin));
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let body = transfer(from, to, "1");
    let k = with_key("one");
    let paid = send(address, "POST", "/v1/transfers", &[&admin, &k], &body).await;
    assert_eq!(paid.unwrap().status, 201);

    let wrong_secret = "5ec4e7".repeat(11)[..64].to_owned();
    let known_prefix = admin.rsplit_once('_').unwrap().0;
    let token = signer.token(&signer.header(), &issuer.claims("accounts:read"));
    let (signed, _) = token.rsplit_once('.').unwrap();
    let other = signer.token(&signer.header(), &issuer.claims("admin"));
    let forged = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
    for (header, status) in [
        (format!("{known_prefix}_{wrong_secret}"), 401),
        (
            format!("authorization: Bearer nb_012345678901_{wrong_secret}"),
            401,
        ),
        ("authorization: Bearer a-malformed-secret".to_owned(), 401),
        ("authorization: Basic dXNlcjpwYXNzd29yZA".to_owned(), 401),
        ("authorization: Bearer broken.token.secret".to_owned(), 401),
        (format!("authorization: Bearer {token}"), 200),
        (format!("authorization: Bearer {forged}"), 401),
    ] {
        let answer = send(address, "GET", "/v1/customers", &[&header], "").await;
        assert_eq!(answer.unwrap().status, status, "{header}");
    }
    let texts = [
        "a-malformed-secret",
        "dXNlcjpwYXNzd29yZA",
        "broken.token.secret",
        &wrong_secret,
    ];
    secrets.extend(texts.map(str::to_owned));
    secrets.extend(
        token
            .split('.')
            .chain([&forged[forged.len() - 40..]])
            .map(str::to_owned),
    );

    let hook = json!({ "url": receiver.url() }).to_string();
    let created = send(address, "POST", "/v1/webhooks", &[&admin], &hook)
        .await
        .unwrap();
    assert_eq!(created.status, 201, "{created:?}");
    let id = created.body["webhook_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/webhooks/{id}/rotate");
    let rotated = send(address, "POST", &path, &[&admin], "{}").await.unwrap();
    assert_eq!(rotated.status, 200, "{rotated:?}");
    for answer in [&created, &rotated] {
        let text = answer.body["secret"].as_str().unwrap();
        let text = text.strip_prefix("whsec_").unwrap().to_owned();
        secrets.push(format!("{:?}", BASE64_STANDARD.decode(&text).unwrap()));
        secrets.push(text);
    }
    let k = with_key("two");
    send(address, "POST", "/v1/transfers", &[&admin, &k], &body)
        .await
        .unwrap();
    receiver.wait_for(2).await;

    let (page, cookies) = sign_in(address, admin.rsplit(' ').next().unwrap()).await;
    assert_eq!(page, 303);
    secrets.extend(cookies);
    let (page, cookies) = sign_in(address, &format!("nb_012345678901_{wrong_secret}")).await;
    assert_eq!(page, 422);
    secrets.extend(cookies);

    logged.wait_for("signed in to the console").await;
    logged.wait_for("/v1/webhooks").await;
    let Logged { service, log, .. } = logged;
    drop(service);
    let log = log.lock().unwrap().clone();
    // The log has what it is for.
    assert!(
        log.contains("denied: a wrong, revoked or expired key"),
        "{log}"
    );
    assert!(
        log.contains("denied: the token has a wrong signature"),
        "{log}"
    );
    for secret in secrets {
        assert!(secret.len() >= 6, "{secret:?} is in any log");
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "the log has the secret {secret}");
    }
    application.end(&bank).await;
}

async fn failed_start_shows_no_password(bank: TestBank) {
    let place = bank.url().rsplit_once('@').unwrap().1;
    for (url, arguments) in [
        (format!("postgresql://nobody:canary@{place}"), ["-vvv"]),
        (
            "postgresql://u:canary@127.0.0.1:1/bank".to_owned(),
            ["--json"],
        ),
    ] {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"][..], &arguments].concat();
        let run = run(&url, &arguments).await;
        assert_ne!(run.code, 0);
        let shown = format!("{}{}", run.out, run.err);
        assert!(!shown.contains("canary"), "{shown}");
    }
}
