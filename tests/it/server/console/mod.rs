//! The console, as a browser without a script uses it.

mod holds;
mod pages;
mod sessions;
mod transfers;
mod whole_bank;

use neobank_domain::api_keys::{NewApiKey, Scope};
use neobank_server::{ConsoleOptions, Limits};

use super::{Service, key, send};
use crate::harness::TestBank;

/// A browser: the address of the console, and the cookie of its session.
struct Browser {
    address: String,
    cookie: String,
}

/// A page, or a redirect to one.
#[derive(Debug)]
struct Page {
    status: u16,
    headers: String,
    html: String,
}

impl Page {
    /// Returns the value of a hidden field.
    fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.html.split_once(&start).expect(&self.html);
        rest.split('"').next().unwrap().to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .headers
            .lines()
            .filter_map(|line| line.split_once(": "));
        let found = lines.find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    fn assert_has(&self, text: &str) {
        assert!(self.html.contains(text), "no {text:?}: {self:?}");
    }

    fn assert_lacks(&self, text: &str) {
        assert!(!self.html.contains(text), "has {text:?}: {self:?}");
    }
}

impl Browser {
    fn of(service: &Service) -> Self {
        Self {
            address: service.address.clone(),
            cookie: String::new(),
        }
    }

    /// Signs in with a new key.
    async fn signed_in(
        bank: &TestBank,
        service: &Service,
        scopes: &[Scope],
        change: impl FnOnce(&mut NewApiKey),
    ) -> Self {
        let secret = secret(bank, scopes, change).await;
        let mut browser = Self::of(service);
        let page = browser.sign_in(&secret).await;
        assert_eq!(page.status, 303, "{page:?}");
        browser
    }

    async fn sign_in(&mut self, secret: &str) -> Page {
        let form = self.get("/console/sign-in").await;
        let cookie = form.header("set-cookie").unwrap().to_owned();
        self.cookie = cookie.split(';').next().unwrap().to_owned();
        let token = form.field("token");
        let body = [("token", token.as_str()), ("key", secret)];
        let page = self.post("/console/sign-in", &body).await;
        if let Some(cookie) = page.header("set-cookie") {
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        page
    }

    async fn get(&self, path: &str) -> Page {
        self.send("GET", path, &[], "").await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let encode =
            |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
        let pairs = fields.iter();
        let pairs = pairs.map(|(name, value)| format!("{name}={}", encode(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        self.send("POST", path, &[], &body).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Page {
        let mut all = vec![format!("cookie: {}", self.cookie)];
        all.extend(headers.iter().map(ToString::to_string));
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n");
        if !body.is_empty() {
            let length = body.len();
            all.push("content-type: application/x-www-form-urlencoded".to_owned());
            all.push(format!("content-length: {length}"));
        }
        for header in all {
            text.push_str(&format!("{header}\r\n"));
        }
        let answer = super::raw(&self.address, format!("{text}\r\n{body}").as_bytes()).await;
        let answer = answer.unwrap();
        Page {
            status: answer.status,
            headers: answer.headers,
            html: match answer.body {
                serde_json::Value::String(html) => html,
                other => other.to_string(),
            },
        }
    }
}

/// Signs in at a service, and returns the status and the secrets that the browser got: the token of
/// the form and the values of the cookies.
pub(super) async fn sign_in(address: &str, secret: &str) -> (u16, Vec<String>) {
    let mut browser = Browser {
        address: address.to_owned(),
        cookie: String::new(),
    };
    let token = browser.get("/console/sign-in").await.field("token");
    let page = browser.sign_in(secret).await;
    let (_, session) = browser.cookie.split_once('=').unwrap();
    let secrets = [token, session.to_owned()];
    let secrets = secrets.into_iter().filter(|text| !text.is_empty());
    (page.status, secrets.collect())
}

/// Creates a key and returns it.
async fn secret(bank: &TestBank, scopes: &[Scope], change: impl FnOnce(&mut NewApiKey)) -> String {
    let header = key(bank, scopes, change).await;
    header.rsplit(' ').next().unwrap().to_owned()
}

async fn service(bank: &TestBank) -> Service {
    let mut limits = Limits::default();
    limits.key_cache_time = std::time::Duration::ZERO;
    Service::with_console(bank, limits, ConsoleOptions::default()).await
}
