//! An issuer of access tokens on this machine, with keys of every accepted kind.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A key for these tests alone: ring makes no RSA keys.
const RSA: &[u8] = include_bytes!("issuer-rsa.pk8");

/// The name of the service at the issuer.
pub(super) const AUDIENCE: &str = "https://bank.example";

pub(super) enum Signer {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A key of the issuer with its identifier.
pub(super) struct Key {
    pub(super) id: &'static str,
    pub(super) signer: Signer,
}

pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

impl Key {
    pub(super) fn ed(id: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let signer = Signer::Ed(pair);
        Self { id, signer }
    }

    pub(super) fn ec(id: &'static str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let signer = Signer::Ec(pair);
        Self { id, signer }
    }

    pub(super) fn rsa(id: &'static str) -> Self {
        let signer = Signer::Rsa(Box::new(RsaKeyPair::from_pkcs8(RSA).unwrap()));
        Self { id, signer }
    }

    pub(super) const fn algorithm(&self) -> &'static str {
        match self.signer {
            Signer::Ed(_) => "EdDSA",
            Signer::Ec(_) => "ES256",
            Signer::Rsa(_) => "RS256",
        }
    }

    /// Returns the public key as the issuer's set has it.
    pub(super) fn public(&self) -> Value {
        let mut jwk = match &self.signer {
            Signer::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key())})
            }
            Signer::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
            }
            Signer::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                let (n, e) = (public.n, public.e);
                json!({"kty": "RSA", "n": encoded(n), "e": encoded(e)})
            }
        };
        jwk["kid"] = self.id.into();
        jwk["use"] = "sig".into();
        jwk
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.signer {
            Signer::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Signer::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Signer::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.unwrap();
                signature
            }
        }
    }

    /// Returns the header of a token of this key.
    pub(super) fn header(&self) -> Value {
        json!({"alg": self.algorithm(), "typ": "at+jwt", "kid": self.id})
    }

    /// Signs a token.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(claims.to_string())
        );
        let signature = encoded(self.signature(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// An issuer, which serves its configuration and its keys until it is dropped.
pub(super) struct TestIssuer {
    pub(super) url: String,
    keys: Arc<Mutex<Value>>,
    requests: Arc<Mutex<u32>>,
    task: JoinHandle<()>,
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestIssuer {
    pub(super) async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let configuration = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
        let (shared, requests) = (Arc::new(Mutex::new(Value::Null)), Arc::new(Mutex::new(0)));
        let issuer = Self {
            url,
            keys: Arc::clone(&shared),
            requests: Arc::clone(&requests),
            task: tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            break;
                        }
                    }
                    *requests.lock().unwrap() += 1;
                    let body = if request.starts_with(b"GET /keys ") {
                        shared.lock().unwrap().to_string()
                    } else {
                        configuration.clone()
                    };
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }),
        };
        issuer.has(keys);
        issuer
    }

    /// Replaces the issuer's keys.
    pub(super) fn has(&self, keys: &[&Key]) {
        let mut public: Vec<_> = keys.iter().map(|key| key.public()).collect();
        // A key of an unknown kind, which the service passes over.
        public.push(json!({"kty": "new", "kid": "new"}));
        *self.keys.lock().unwrap() = json!({ "keys": public });
    }

    pub(super) fn requests(&self) -> u32 {
        *self.requests.lock().unwrap()
    }

    /// Returns the claims of a token that is in force.
    pub(super) fn claims(&self, scope: &str) -> Value {
        json!({"iss": self.url, "aud": AUDIENCE, "sub": "ada", "iat": now(),
               "exp": now() + 300, "scope": scope})
    }
}
