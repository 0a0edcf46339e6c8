//! The addresses that webhooks may reach.

use neobank_domain::api_keys::Scope;
use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use super::super::killed::start_command;
use super::super::{assert_problem, key, send};
use super::{Receiver, Reply, Setup, limits};
use crate::harness::{TestBank, czk};

on_both_versions!(
    addresses_that_are_not_allowed_are_rejected,
    name_of_a_private_address_is_not_reached,
    redirect_is_not_followed,
    encrypted_receiver_needs_a_trusted_certificate_of_its_name,
);

async fn addresses_that_are_not_allowed_are_rejected(bank: TestBank) {
    let mut limits = limits();
    limits.webhooks.private_addresses = false;
    let service = super::Service::on(&bank, limits).await;
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    for url in [
        "http://shop.example/",
        "ftp://shop.example/",
        "https://user:hunter2@shop.example/",
        "https://shop.example/#x",
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://192.168.1.1/",
        "https://169.254.169.254/",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
    ] {
        let body = json!({ "url": url }).to_string();
        let rejected = service
            .send("POST", "/v1/webhooks", &[&bearer], &body)
            .await;
        assert_problem(&rejected, 422, "invalid");
        assert_eq!(rejected.body["field"], "url", "{url}");
        assert!(
            !rejected.body.to_string().contains("hunter2"),
            "{rejected:?}"
        );
    }
    let body = json!({ "url": "https://shop.example/events" }).to_string();
    let created = service
        .send("POST", "/v1/webhooks", &[&bearer], &body)
        .await;
    assert_eq!(created.status, 201, "{created:?}");
    let path = format!(
        "/v1/webhooks/{}",
        created.body["webhook_id"].as_str().unwrap()
    );
    let body = json!({ "url": "https://10.0.0.1/" }).to_string();
    let rejected = service.send("PATCH", &path, &[&bearer], &body).await;
    assert_problem(&rejected, 422, "invalid");
}

/// The name is allowed when the webhook is created; its address is checked when the service connects.
async fn name_of_a_private_address_is_not_reached(bank: TestBank) {
    let receiver = Receiver::start().await;
    let mut setup = Setup::on(bank).await;
    let mut webhooks = Vec::new();
    for host in ["localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]"] {
        let url = format!("https://{host}:{}/", receiver.port);
        webhooks.push(setup.webhook(&url, json!({})).await.0);
    }
    // As a service without the option does with webhooks of before.
    let mut strict = limits();
    strict.webhooks.private_addresses = false;
    setup.service.stop.take().unwrap().send(()).unwrap();
    let strict = super::Service::on(&setup.bank, strict).await;
    let before = std::mem::replace(&mut setup.service, strict);
    before.task.await.unwrap();
    setup.transfers(1).await;
    for webhook in webhooks {
        let shown = setup
            .wait(&webhook, |shown| shown["failure"] != Value::Null)
            .await;
        let error = shown["failure"]["last_error"].as_str().unwrap();
        let is_refused = error == "the host has no address that webhooks may reach"
            || error.starts_with("the address is not allowed");
        assert!(is_refused, "{shown}");
    }
    assert!(receiver.received().is_empty());
}

async fn redirect_is_not_followed(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let other = Receiver::start().await;
    let receiver = Receiver::start().await;
    let redirects = [301, 302, 303, 307, 308];
    let redirects =
        redirects.map(|status| Reply::With(status, format!("location: {}", other.url())));
    receiver.reply(redirects, Reply::Status(200));
    let (webhook, _) = setup.webhook(&receiver.url(), json!({})).await;
    setup.transfers(1).await;
    receiver.wait_for(6).await;
    setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    assert!(other.received().is_empty());
}

async fn encrypted_receiver_needs_a_trusted_certificate_of_its_name(bank: TestBank) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.crt");
    std::fs::write(&trusted, made.cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key_of =
        PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key_of)
        .unwrap();
    let receiver = Receiver::start_with(Some(TlsAcceptor::from(Arc::new(config)))).await;
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    super::seal(&bank).await;
    let options = ["--webhook-private-addresses", "--webhook-timeout", "2"];
    let url = |host| json!({ "url": format!("https://{host}:{}/", receiver.port) }).to_string();
    for (host, trusts, is_accepted) in [
        ("localhost", true, true),
        ("127.0.0.1", true, false),
        ("localhost", false, false),
    ] {
        let (mut child, address) = start_command(bank.url(), "127.0.0.1:0", &options, |command| {
            if trusts {
                command.env("SSL_CERT_FILE", &trusted);
            }
        });
        let call = async |method: &str, path: &str, body: &str| {
            send(&address, method, path, &[&bearer], body)
                .await
                .unwrap()
        };
        let created = call("POST", "/v1/webhooks", &url(host)).await;
        let path = format!(
            "/v1/webhooks/{}",
            created.body["webhook_id"].as_str().unwrap()
        );
        super::transfers(&bank, from, to, 1).await;
        let before = receiver.received().len();
        let shown = loop {
            let shown = call("GET", &path, "").await.body;
            if shown["failure"] != Value::Null || receiver.received().len() > before {
                break shown;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        assert_eq!(
            receiver.received().len() > before,
            is_accepted,
            "{host}: {shown}"
        );
        if !is_accepted {
            let error = shown["failure"]["last_error"].as_str().unwrap();
            assert!(error.starts_with("not encrypted: "), "{shown}");
        }
        assert_eq!(call("DELETE", &path, "").await.status, 204);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
