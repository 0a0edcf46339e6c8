//! Access tokens of an `OpenID` Connect issuer.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use neobank_domain::Ledger;
use neobank_server::{ConsoleOptions, Issuer, IssuerOptions, Limits, RateLimit, ServiceState};
use serde_json::{Value, json};

use super::issuer::{AUDIENCE, Key, TestIssuer, encoded, now};
use super::settings::Application;
use super::{Answer, Service, assert_problem, transfer, with_key};
use crate::cli::program::run;
use crate::harness::{TestBank, czk};

on_both_versions!(
    token_of_each_algorithm_moves_money_in_the_name_of_its_subject,
    wrong_tokens_are_denied,
    token_cannot_choose_its_algorithm,
    scopes_and_bindings_of_a_token_limit_it,
    rotated_key_is_found_and_made_up_keys_ask_the_issuer_seldom,
    keys_are_kept_while_the_issuer_is_down,
    rate_is_that_of_the_subject,
    check_reads_the_keys_of_the_issuer,
);

async fn service(bank: &TestBank, options: IssuerOptions) -> Service {
    with_limits(bank, options, Limits::default()).await
}

async fn with_limits(bank: &TestBank, options: IssuerOptions, limits: Limits) -> Service {
    let state = ServiceState::new(Ledger::new(bank.database.clone()), limits);
    let state = state.with_issuer(Issuer::new(options).unwrap());
    Service::of_state(state, ConsoleOptions::default()).await
}

fn options(issuer: &TestIssuer) -> IssuerOptions {
    IssuerOptions::new(&issuer.url, AUDIENCE)
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

/// Asks for a list with a token.
async fn list(service: &Service, token: &str) -> Answer {
    let header = bearer(token);
    service.send("GET", "/v1/customers", &[&header], "").await
}

/// Returns the actor of a transfer.
async fn actor(service: &Service, header: &str, paid: &Answer) -> Value {
    let path = format!(
        "/v1/transfers/{}",
        paid.body["transfer_id"].as_str().unwrap()
    );
    let shown = service.send("GET", &path, &[header], "").await;
    shown.body["actor"].clone()
}

async fn token_of_each_algorithm_moves_money_in_the_name_of_its_subject(bank: TestBank) {
    let keys = [Key::ed("ed"), Key::ec("ec"), Key::rsa("rsa")];
    let issuer = TestIssuer::start(&keys.iter().collect::<Vec<_>>()).await;
    let service = service(&bank, options(&issuer)).await;
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let claims = issuer.claims("openid transfers:write accounts:read");
    for key in &keys {
        let header = bearer(&key.token(&key.header(), &claims));
        let k = with_key(key.id);
        let body = transfer(from, to, "1");
        let headers = [header.as_str(), &k];
        let paid = service.send("POST", "/v1/transfers", &headers, &body).await;
        assert_eq!(paid.status, 201, "{}: {paid:?}", key.id);
        assert_eq!(actor(&service, &header, &paid).await, "oidc:127.0.0.1/ada");
    }
    // Other ways to write a token that is right.
    let key = &keys[0];
    let mut list_of_audiences = claims.clone();
    list_of_audiences["aud"] = json!(["https://other.example", AUDIENCE]);
    list_of_audiences["scope"] = Value::Null;
    list_of_audiences["scp"] = json!(["accounts:read"]);
    for kind in ["application/at+jwt", "JWT", "at+JWT"] {
        let mut header = key.header();
        header["typ"] = kind.into();
        let answer = list(&service, &key.token(&header, &list_of_audiences)).await;
        assert_eq!(answer.status, 200, "{kind}: {answer:?}");
    }
    assert_eq!(bank.balance(to).await, czk("3"));
    assert_eq!(issuer.requests(), 2);
}

async fn wrong_tokens_are_denied(bank: TestBank) {
    let (key, foreign) = (Key::ed("ed"), Key::ed("ed"));
    let issuer = TestIssuer::start(&[&key]).await;
    let service = service(&bank, options(&issuer)).await;
    let right = issuer.claims("accounts:read");
    let with = |name: &str, value: Value| {
        let mut claims = right.clone();
        claims[name] = value;
        key.token(&key.header(), &claims)
    };
    let under = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        key.token(&header, &right)
    };
    let whole = key.token(&key.header(), &right);
    assert_eq!(list(&service, &whole).await.status, 200);
    let (message, signature) = whole.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let mut admin = right.clone();
    admin["scope"] = "admin".into();
    let wrong = [
        ("issuer", with("iss", "https://other.example".into())),
        ("no issuer", with("iss", Value::Null)),
        ("audience", with("aud", "https://other.example".into())),
        ("no audience", with("aud", Value::Null)),
        ("expired", with("exp", (now() - 60).into())),
        ("no expiry", with("exp", Value::Null)),
        ("not yet valid", with("nbf", (now() + 120).into())),
        ("issued in the future", with("iat", (now() + 120).into())),
        ("issued far in the future", with("iat", json!(1.5e18))),
        ("list of issuers", with("iss", json!([issuer.url]))),
        ("mark of direction", with("sub", "ada\u{202e}nimda".into())),
        ("no subject", with("sub", Value::Null)),
        ("blank subject", with("sub", " ".into())),
        ("subject with a line break", with("sub", "a\nb".into())),
        ("bound to nothing", with("neobank_accounts", json!([]))),
        ("bound to nothing", with("neobank_customers", Value::Null)),
        (
            "bound to no account",
            with("neobank_accounts", json!(["x"])),
        ),
        ("unknown key", under("kid", "other".into())),
        ("identity token", under("typ", "dpop+jwt".into())),
        ("critical header", under("crit", json!(["b64"]))),
        ("another key", foreign.token(&key.header(), &right)),
        (
            "other claims",
            format!("{head}.{}.{signature}", encoded(admin.to_string())),
        ),
        ("no signature", format!("{message}.")),
        ("two parts", message.to_owned()),
        ("four parts", format!("{whole}.x")),
        ("no JSON", format!("{}.x.x", encoded("{"))),
        ("oversized", with("padding", "x".repeat(8_000).into())),
        ("dots", "...".to_owned()),
    ];
    let mut accepted = Vec::new();
    for (fault, token) in &wrong {
        let answer = list(&service, token).await;
        if answer.status != 401 {
            accepted.push(fault);
        }
        assert!(!format!("{answer:?}").contains(signature), "{fault}");
    }
    assert!(accepted.is_empty(), "{accepted:?}");
    assert_eq!(list(&service, &whole).await.status, 200);
}

/// A public key is no secret: a token that is signed by it as if it were one must not be accepted.
async fn token_cannot_choose_its_algorithm(bank: TestBank) {
    let (rsa, ec) = (Key::rsa("rsa"), Key::ec("ec"));
    let issuer = TestIssuer::start(&[&rsa, &ec]).await;
    let service = service(&bank, options(&issuer)).await;
    let claims = issuer.claims("admin");
    let public = rsa.public();
    let text = public["n"].as_str().unwrap();
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    for secret in [
        public.to_string().into_bytes(),
        text.as_bytes().to_vec(),
        modulus,
    ] {
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": "rsa"});
        let message = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(claims.to_string())
        );
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signature = encoded(ring::hmac::sign(&key, message.as_bytes()));
        let answer = list(&service, &format!("{message}.{signature}")).await;
        assert_problem(&answer, 401, "unauthorized");
    }
    for algorithm in ["none", "None", "HS256", "RS384", "PS256", "ES256", ""] {
        let header = json!({"alg": algorithm, "typ": "at+jwt", "kid": "rsa"});
        let signed = rsa.token(&header, &claims);
        let (message, _) = signed.rsplit_once('.').unwrap();
        for token in [
            format!("{message}."),
            signed.clone(),
            ec.token(&header, &claims),
        ] {
            assert_problem(&list(&service, &token).await, 401, "unauthorized");
        }
    }
    let right = rsa.token(&rsa.header(), &claims);
    assert_eq!(list(&service, &right).await.status, 200);
}

async fn scopes_and_bindings_of_a_token_limit_it(bank: TestBank) {
    let key = Key::ed("ed");
    let issuer = TestIssuer::start(&[&key]).await;
    let mut named = options(&issuer);
    named.name = Some("staff".to_owned());
    let service = service(&bank, named).await;
    let (own, other) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let none = key.token(&key.header(), &issuer.claims("openid profile"));
    assert_problem(&list(&service, &none).await, 403, "scope");
    let customer = bank.find(own).await.customer_id.unwrap();
    for (number, (name, value)) in [
        ("neobank_accounts", own.to_string()),
        ("neobank_customers", customer.to_string()),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = issuer.claims("accounts:read transfers:write");
        claims[name] = json!([value]);
        let header = bearer(&key.token(&key.header(), &claims));
        let path = format!("/v1/accounts/{other}");
        let answer = service.send("GET", &path, &[&header], "").await;
        assert_problem(&answer, 403, "binding");
        for (from, to, status) in [(own, other, 201), (other, own, 403)] {
            let k = with_key(&format!("{status}-{number}"));
            let headers = [header.as_str(), &k];
            let body = transfer(from, to, "1");
            let answer = service.send("POST", "/v1/transfers", &headers, &body).await;
            assert_eq!(answer.status, status, "{answer:?}");
            if status == 201 {
                assert_eq!(actor(&service, &header, &answer).await, "oidc:staff/ada");
            }
        }
    }
}

async fn rotated_key_is_found_and_made_up_keys_ask_the_issuer_seldom(bank: TestBank) {
    let (old, new) = (Key::ed("old"), Key::ec("new"));
    let issuer = TestIssuer::start(&[&old]).await;
    let service = service(&bank, options(&issuer)).await;
    let claims = issuer.claims("accounts:read");
    let (by_old, by_new) = (
        old.token(&old.header(), &claims),
        new.token(&new.header(), &claims),
    );
    assert_eq!(list(&service, &by_old).await.status, 200);
    issuer.has(&[&new]);
    for _ in 0..20 {
        assert_problem(&list(&service, &by_new).await, 401, "unauthorized");
    }
    assert_eq!(issuer.requests(), 2);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(list(&service, &by_new).await.status, 200);
    // The issuer has withdrawn the old key.
    assert_problem(&list(&service, &by_old).await, 401, "unauthorized");
    assert_eq!(issuer.requests(), 4);
}

async fn keys_are_kept_while_the_issuer_is_down(bank: TestBank) {
    let key = Key::ed("ed");
    let issuer = TestIssuer::start(&[&key]).await;
    let (early, late) = (
        service(&bank, options(&issuer)).await,
        service(&bank, options(&issuer)).await,
    );
    let token = key.token(&key.header(), &issuer.claims("accounts:read"));
    assert_eq!(list(&early, &token).await.status, 200);
    drop(issuer);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let unknown = Key::ed("unknown");
    let other = unknown.token(&unknown.header(), &json!({}));
    assert_problem(&list(&early, &other).await, 401, "unauthorized");
    assert_eq!(list(&early, &token).await.status, 200);
    // Without keys no token can be verified, and the caller may come again.
    let answer = list(&late, &token).await;
    assert_problem(&answer, 503, "unavailable");
    assert!(answer.has("retry-after: 1"), "{answer:?}");
}

async fn rate_is_that_of_the_subject(bank: TestBank) {
    let key = Key::ed("ed");
    let issuer = TestIssuer::start(&[&key]).await;
    let mut limits = Limits::default();
    limits.caller_rate = Some(RateLimit::new(1, 2));
    let service = with_limits(&bank, options(&issuer), limits).await;
    let of = |subject: &str| {
        let mut claims = issuer.claims("accounts:read");
        claims["sub"] = subject.into();
        claims["jti"] = now().into();
        key.token(&key.header(), &claims)
    };
    for _ in 0..2 {
        assert_eq!(list(&service, &of("ada")).await.status, 200);
    }
    assert_problem(&list(&service, &of("ada")).await, 429, "rate_limited");
    assert_eq!(list(&service, &of("grace")).await.status, 200);
}

async fn check_reads_the_keys_of_the_issuer(bank: TestBank) {
    let key = Key::ed("ed");
    let issuer = TestIssuer::start(&[&key]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, json!({"keys": [key.public()]}).to_string()).unwrap();
    let file = file.to_str().unwrap();
    let application = Application::of(&bank).await;
    let check = [
        "serve",
        "--check",
        "--oidc-audience",
        AUDIENCE,
        "--oidc-issuer",
    ];
    for more in [
        &[issuer.url.as_str()][..],
        &[&issuer.url, "--oidc-jwks", file],
    ] {
        let checked = run(&application.url, &[&check[..], more].concat()).await;
        assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
        assert!(checked.out.contains("which has 1 keys"), "{}", checked.out);
    }
    for (more, fault) in [
        (&["http://issuer.example"][..], "no address with https"),
        (&["https://127.0.0.1:1"], "not connected"),
        (&[&issuer.url, "--oidc-jwks", "/nothing"], "/nothing"),
        (&[&issuer.url, "--oidc-name", "a/b"], "no name of an issuer"),
    ] {
        let checked = run(&application.url, &[&check[..], more].concat()).await;
        assert_eq!(checked.code, 1, "{}{}", checked.out, checked.err);
        assert!(checked.out.contains(fault), "{fault}: {}", checked.out);
    }
    application.end(&bank).await;
}
