//! The secrets of API keys, and the cache of the keys that callers present.

use crate::trace;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use neobank_db::Database;
use neobank_domain::api_keys::{self, ApiKey, ApiKeyError};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A key with its secret: `nb_`, 12 hexadecimal digits that find it, `_`, and 64 hexadecimal digits
/// of 256 random bits. The service shows it once and stores its hash.
#[derive(Clone)]
pub struct ApiKeySecret(String);

/// Debug output omits the secret.
impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKeySecret({}_…)", self.prefix())
    }
}

/// The length of the part that is no secret: `nb_` and 12 digits.
const PREFIX_LENGTH: usize = 15;
/// The length of a whole key.
const LENGTH: usize = PREFIX_LENGTH + 1 + 64;

impl ApiKeySecret {
    /// Makes a new key from the system's random numbers.
    ///
    /// # Errors
    ///
    /// The system's error if it has no random numbers.
    pub fn generate() -> std::io::Result<Self> {
        let mut random = [0_u8; 38];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let (prefix, secret) = digits.split_at(12);
        Ok(Self(format!("nb_{prefix}_{secret}")))
    }

    /// Returns the key for its holder.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the part that is no secret.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.get(..PREFIX_LENGTH).unwrap_or_default()
    }

    /// Returns the SHA-256 of the whole key. The key has 256 random bits, so that no slower hash is
    /// needed.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// Reads the key that a caller presents; `None` for a text of another form.
    pub(crate) fn presented(text: &str) -> Option<Self> {
        let (prefix, secret) = text.strip_prefix("nb_")?.split_once('_')?;
        let is_hex = |digits: &str| {
            let mut bytes = digits.bytes();
            bytes.all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let is_key = text.len() == LENGTH && prefix.len() == 12 && is_hex(prefix) && is_hex(secret);
        is_key.then(|| Self(text.to_owned()))
    }
}

/// The most keys in the cache, and the most prefixes that no key has.
const CACHE_MAX: usize = 10_000;

/// The keys that callers presented lately, without their secrets. Prefixes that no key has are kept
/// apart, so that they push out no key.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    known: Entries,
    unknown: Entries,
}

type Entries = Mutex<HashMap<String, CachedKey>>;

#[derive(Clone, Debug)]
struct CachedKey {
    /// None for a prefix that no key has.
    key: Option<Arc<ApiKey>>,
    read_at: Instant,
}

impl KeyCache {
    /// Returns the key in force that a caller presents; `None` for a wrong, revoked or expired one.
    pub(crate) async fn verify(
        &self,
        database: &Database,
        presented: &ApiKeySecret,
        cache_time: Duration,
    ) -> Result<Option<Arc<ApiKey>>, ApiKeyError> {
        let hash = presented.hash();
        let prefix = presented.prefix();
        self.in_force(database, (prefix, &hash), cache_time).await
    }

    /// Returns the key with a prefix and a hash if it is still in force.
    pub(crate) async fn in_force(
        &self,
        database: &Database,
        (prefix, hash): (&str, &[u8; 32]),
        cache_time: Duration,
    ) -> Result<Option<Arc<ApiKey>>, ApiKeyError> {
        let found = match self.cached(prefix, cache_time) {
            Some(found) => found,
            None => self.read(database, prefix).await?,
        };
        // A prefix that no key has costs the same comparison.
        let expected = found.as_ref().map_or(&[0_u8; 32][..], |key| &key.hash);
        let is_equal: bool = expected.ct_eq(hash).into();
        Ok(found.filter(|key| is_equal && key.is_in_force(Utc::now())))
    }

    /// Returns true if a key has the prefix and was presented lately.
    pub(crate) fn is_known(&self, prefix: &str) -> bool {
        entries(&self.known).contains_key(prefix)
    }

    fn cached(&self, prefix: &str, cache_time: Duration) -> Option<Option<Arc<ApiKey>>> {
        [&self.known, &self.unknown].into_iter().find_map(|keys| {
            let keys = entries(keys);
            let cached = keys.get(prefix)?;
            (cached.read_at.elapsed() < cache_time).then(|| cached.key.clone())
        })
    }

    async fn read(
        &self,
        database: &Database,
        prefix: &str,
    ) -> Result<Option<Arc<ApiKey>>, ApiKeyError> {
        let key = trace::database(api_keys::find_by_prefix(database, prefix))
            .await?
            .map(Arc::new);
        if let Some(key) = &key {
            let stale = Utc::now() - chrono::TimeDelta::minutes(1);
            if key.last_used_at.is_none_or(|used| used < stale) {
                note_use(database.clone(), Arc::clone(key));
            }
        }
        let (of_kind, of_other) = match &key {
            Some(_) => (&self.known, &self.unknown),
            None => (&self.unknown, &self.known),
        };
        entries(of_other).remove(prefix);
        let mut keys = entries(of_kind);
        if keys.len() >= CACHE_MAX {
            keys.clear();
        }
        let cached = CachedKey {
            key: key.clone(),
            read_at: Instant::now(),
        };
        keys.insert(prefix.to_owned(), cached);
        Ok(key)
    }
}

fn entries(keys: &Entries) -> MutexGuard<'_, HashMap<String, CachedKey>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes the use beside the request, which does not wait for it.
fn note_use(database: Database, key: Arc<ApiKey>) {
    tokio::spawn(async move {
        if let Err(error) = trace::database(api_keys::note_use(&database, key.api_key_id)).await {
            tracing::warn!(
                prefix = key.prefix,
                "the use of a key was not noted: {error}"
            );
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_made_and_debug_output_hides_the_secret() {
        let key = ApiKeySecret::generate().unwrap();
        let read = ApiKeySecret::presented(key.reveal()).unwrap();
        assert_eq!(read.hash(), key.hash());
        assert_eq!(read.prefix().len(), PREFIX_LENGTH);
        let secret = key.reveal().rsplit_once('_').unwrap().1;
        assert!(!format!("{key:?}").contains(secret));
        assert_ne!(ApiKeySecret::generate().unwrap().reveal(), key.reveal());
        let upper = key.reveal().to_uppercase();
        for wrong in ["", "nb_", &key.reveal()[1..], &key.reveal()[..79], &upper] {
            assert!(ApiKeySecret::presented(wrong).is_none(), "{wrong}");
        }
    }
}
