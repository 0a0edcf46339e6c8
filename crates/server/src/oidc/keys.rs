//! The keys of an issuer: cached, read again for an unknown key, and kept while the issuer is down.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::Uri;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::fetch::{Fetcher, trusted};

/// The time after which the keys are read again beside a request.
const AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// The time for which keys are used that could not be read again.
const STALE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The pause between two reads, so that tokens with made-up keys do not ask the issuer each time.
const PAUSE: Duration = Duration::from_secs(5);

/// The most keys that are used of a set.
const KEYS_MAX: usize = 100;

/// The most bytes of a file of keys.
const FILE_BYTES_MAX: usize = 256 * 1024;

/// The place of an issuer's keys.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The address that the issuer's configuration names.
    Issuer(String),
    Address(Uri),
    File(PathBuf),
}

/// A key with the only algorithm for which it is used: that of its own kind, whatever a token says.
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

pub(super) struct Keys {
    source: Source,
    fetcher: Fetcher,
    age_max: Duration,
    loaded: RwLock<Option<Loaded>>,
    /// The time of the last attempt; held while the keys are read.
    attempted_at: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Loaded {
    keys: Arc<[Arc<Key>]>,
    read_at: Instant,
}

/// The reason why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has no such key.
    Unknown,
    /// The keys could not be read.
    Unread,
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Keys {
    pub(super) fn new(source: Source, fetcher: Fetcher) -> Self {
        Self {
            source,
            fetcher,
            age_max: AGE_MAX,
            loaded: RwLock::new(None),
            attempted_at: tokio::sync::Mutex::new(None),
        }
    }

    /// Returns the key with an identifier. A token without an identifier is for the only key.
    ///
    /// A known key is returned at once. An old set is read again beside the request, so that a
    /// request never waits for an issuer that does not answer.
    pub(super) async fn find(self: &Arc<Self>, id: Option<&str>) -> Result<Arc<Key>, NoKey> {
        if let Some(loaded) = self.loaded()
            && let Some(key) = loaded.find(id)
        {
            if loaded.read_at.elapsed() >= self.age_max && self.is_due() {
                let keys = Arc::clone(self);
                tokio::spawn(async move { keys.refresh().await });
            }
            return Ok(key);
        }
        self.refresh().await;
        match self.loaded() {
            None => Err(NoKey::Unread),
            Some(loaded) => loaded.find(id).ok_or(NoKey::Unknown),
        }
    }

    /// Returns true if the keys are not being read, and were not read just now.
    fn is_due(&self) -> bool {
        let attempted_at = self.attempted_at.try_lock();
        attempted_at.is_ok_and(|time| time.is_none_or(|time| time.elapsed() >= PAUSE))
    }

    /// Reads the keys, and returns their number.
    pub(super) async fn read_now(&self) -> Result<usize, String> {
        let keys = self.read().await?;
        let count = keys.len();
        self.replace(keys);
        Ok(count)
    }

    fn loaded(&self) -> Option<Loaded> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let usable = |loaded: &&Loaded| loaded.read_at.elapsed() < STALE_MAX;
        loaded.as_ref().filter(usable).cloned()
    }

    fn replace(&self, keys: Vec<Arc<Key>>) {
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        *loaded = Some(Loaded {
            keys: keys.into(),
            read_at: Instant::now(),
        });
    }

    /// Reads the keys unless they were read just now; those that cannot be read stay as they were.
    async fn refresh(&self) {
        let mut attempted_at = self.attempted_at.lock().await;
        if attempted_at.is_some_and(|time| time.elapsed() < PAUSE) {
            return;
        }
        let read = self.read_now().await;
        *attempted_at = Some(Instant::now());
        if let Err(reason) = read {
            tracing::warn!("the keys of the issuer were not read: {reason}");
        }
    }

    async fn read(&self) -> Result<Vec<Arc<Key>>, String> {
        let set: KeySet = match &self.source {
            Source::Issuer(issuer) => {
                let address = self.configured(issuer).await?;
                self.fetcher.read(&address).await?
            }
            Source::Address(address) => self.fetcher.read(address).await?,
            Source::File(path) => {
                let bytes = std::fs::read(path);
                let bytes = bytes.map_err(|error| format!("{}: {error}", path.display()))?;
                let bytes = bytes
                    .get(..bytes.len().min(FILE_BYTES_MAX))
                    .unwrap_or_default();
                let set = serde_json::from_slice(bytes);
                set.map_err(|_| format!("{}: no set of keys", path.display()))?
            }
        };
        // A key of an unknown kind must not exclude the others.
        let keys = set.keys.into_iter().filter_map(key).take(KEYS_MAX);
        let keys: Vec<_> = keys.map(Arc::new).collect();
        if keys.is_empty() {
            return Err("the set has no key for RS256, ES256 or EdDSA".to_owned());
        }
        Ok(keys)
    }

    /// Returns the address of the keys that the issuer's configuration names.
    async fn configured(&self, issuer: &str) -> Result<Uri, String> {
        let base = issuer.trim_end_matches('/');
        let address = trusted(&format!("{base}/.well-known/openid-configuration"));
        let address = address.map_err(|error| error.to_string())?;
        let configuration: Configuration = self.fetcher.read(&address).await?;
        if configuration.issuer != issuer {
            return Err(format!(
                "{address}: the configuration is that of another issuer"
            ));
        }
        trusted(&configuration.jwks_uri).map_err(|error| error.to_string())
    }
}

impl Loaded {
    fn find(&self, id: Option<&str>) -> Option<Arc<Key>> {
        let found = match id {
            Some(id) => self.keys.iter().find(|key| key.id.as_deref() == Some(id)),
            None if self.keys.len() == 1 => self.keys.first(),
            None => None,
        };
        found.cloned()
    }
}

/// Returns a key that verifies signatures by one of the accepted algorithms.
fn key(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let usage = &jwk.common.public_key_use;
    if usage
        .as_ref()
        .is_some_and(|usage| *usage != PublicKeyUse::Signature)
    {
        return None;
    }
    let (algorithm, names) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(of) if of.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(of) if of.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|named| named != names) {
        return None;
    }
    Some(Key {
        key: DecodingKey::from_jwk(&jwk).ok()?,
        algorithm,
        id: jwk.common.key_id,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    fn jwk(kind: &Value) -> Option<Key> {
        let mut jwk = json!({"kid": "1", "x": "AAAA", "y": "AAAA", "n": "AAAA", "e": "AQAB"});
        let members = kind.as_object().unwrap().clone();
        jwk.as_object_mut().unwrap().extend(members);
        key(jwk)
    }

    #[test]
    fn key_is_used_for_the_algorithm_of_its_kind_alone() {
        for (kind, algorithm) in [
            (json!({"kty": "RSA"}), Some(Algorithm::RS256)),
            (
                json!({"kty": "RSA", "alg": "RS256", "use": "sig"}),
                Some(Algorithm::RS256),
            ),
            (json!({"kty": "EC", "crv": "P-256"}), Some(Algorithm::ES256)),
            (
                json!({"kty": "OKP", "crv": "Ed25519"}),
                Some(Algorithm::EdDSA),
            ),
            (json!({"kty": "RSA", "alg": "PS256"}), None),
            (json!({"kty": "RSA", "alg": "HS256"}), None),
            (json!({"kty": "RSA", "use": "enc"}), None),
            (json!({"kty": "EC", "crv": "P-384"}), None),
            (json!({"kty": "oct", "k": "AAAA"}), None),
        ] {
            assert_eq!(jwk(&kind).map(|key| key.algorithm), algorithm, "{kind}");
        }
    }

    #[tokio::test]
    async fn issuer_that_does_not_answer_delays_no_token_of_a_known_key() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/keys", silent.local_addr().unwrap());
        let source = Source::Address(trusted(&address).unwrap());
        let mut keys = Keys::new(source, Fetcher::new().unwrap());
        keys.age_max = Duration::ZERO;
        let keys = Arc::new(keys);
        let known = jwk(&json!({"kty": "OKP", "crv": "Ed25519"})).unwrap();
        keys.replace(vec![Arc::new(known)]);
        for _ in 0..3 {
            let found = tokio::time::timeout(Duration::from_secs(1), keys.find(Some("1")));
            assert!(found.await.unwrap().is_ok());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let unknown = tokio::time::timeout(Duration::from_secs(20), keys.find(Some("2")));
        assert_eq!(unknown.await.unwrap().err(), Some(NoKey::Unknown));
    }
}
