//! The sessions of signed-in people: in memory, bounded in number and time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum_extra::extract::cookie::{Cookie, SameSite};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::ConsoleOptions;
use crate::keys::ApiKeySecret;

/// The cookie with the identifier of a session.
pub(super) const SESSION_COOKIE: &str = "neobank_console";
/// The cookie that belongs to the form of the page to sign in.
pub(super) const SIGN_IN_COOKIE: &str = "neobank_sign_in";

/// A session: the key of the person without its secret, and the token of its forms.
pub(super) struct Session {
    /// The part of the key that is no secret.
    pub(super) prefix: String,
    /// The SHA-256 of the key.
    pub(super) hash: [u8; 32],
    token: String,
    used_at: Mutex<Instant>,
}

/// Debug output omits the token.
impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Session({}_…)", self.prefix)
    }
}

impl Session {
    /// Returns the token that each form of the session carries.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn has_token(&self, presented: &str) -> bool {
        is_equal(&self.token, presented)
    }

    fn used_at(&self) -> Instant {
        *self.used_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns false if the session has been unused for too long; otherwise it is used now, except
    /// by a page that refreshes itself.
    fn note_use(&self, options: &ConsoleOptions, is_by_person: bool) -> bool {
        let mut used_at = self.used_at.lock().unwrap_or_else(PoisonError::into_inner);
        if used_at.elapsed() >= options.idle_timeout {
            return false;
        }
        if is_by_person {
            *used_at = Instant::now();
        }
        true
    }
}

/// The sessions, by the SHA-256 of their identifiers.
pub(super) struct Sessions {
    options: ConsoleOptions,
    sessions: Cache<[u8; 32], Arc<Session>>,
    /// Held while a session begins, so that two at once do not exceed the limit of their key.
    beginning: Mutex<()>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sessions({})", self.sessions.entry_count())
    }
}

impl Sessions {
    pub(super) fn new(options: ConsoleOptions) -> Self {
        let sessions = Cache::builder()
            .max_capacity(options.sessions_max)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(options.session_timeout)
            .build();
        Self {
            options,
            sessions,
            beginning: Mutex::new(()),
        }
    }

    /// Begins a session for a key that was verified, and returns its identifier.
    pub(super) fn begin(&self, key: &ApiKeySecret) -> std::io::Result<String> {
        let identifier = random_token()?;
        let session = Session {
            prefix: key.prefix().to_owned(),
            hash: key.hash(),
            token: random_token()?,
            used_at: Mutex::new(Instant::now()),
        };
        let _beginning = self
            .beginning
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.make_room(&session.prefix);
        self.sessions.insert(digest(&identifier), Arc::new(session));
        Ok(identifier)
    }

    /// Ends the sessions of a key that were unused for longest, until it may have another one.
    fn make_room(&self, prefix: &str) {
        let sessions = self.sessions.iter();
        let mut of_key: Vec<_> = sessions
            .filter(|(_, session)| session.prefix == prefix)
            .map(|(identifier, session)| (session.used_at(), *identifier))
            .collect();
        let most = self.options.sessions_per_key_max.saturating_sub(1);
        let ended = of_key.len().saturating_sub(most);
        of_key.sort_unstable();
        for (_, identifier) in of_key.iter().take(ended) {
            self.sessions.invalidate(identifier);
        }
    }

    /// Returns the session with an identifier, unless it has ended.
    pub(super) fn find(&self, identifier: &str, is_by_person: bool) -> Option<Arc<Session>> {
        let session = self.sessions.get(&digest(identifier))?;
        if session.note_use(&self.options, is_by_person) {
            return Some(session);
        }
        self.end(identifier);
        None
    }

    pub(super) fn end(&self, identifier: &str) {
        self.sessions.invalidate(&digest(identifier));
    }
}

/// Returns a cookie that scripts cannot read and other sites cannot cause to be sent.
pub(super) fn cookie(name: &'static str, value: String, is_encrypted: bool) -> Cookie<'static> {
    Cookie::build((name, value))
        .path("/console")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_encrypted)
        .build()
}

/// Returns 256 random bits as hexadecimal digits.
pub(super) fn random_token() -> std::io::Result<String> {
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn is_equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn digest(identifier: &str) -> [u8; 32] {
    Sha256::digest(identifier).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sessions(change: impl FnOnce(&mut ConsoleOptions)) -> (Sessions, ApiKeySecret) {
        let mut options = ConsoleOptions::default();
        change(&mut options);
        (Sessions::new(options), ApiKeySecret::generate().unwrap())
    }

    #[test]
    fn session_is_found_until_it_is_ended_and_hides_its_secrets() {
        let (sessions, key) = sessions(|_| {});
        let identifier = sessions.begin(&key).unwrap();
        let session = sessions.find(&identifier, true).unwrap();
        assert_eq!(session.hash, key.hash());
        assert!(session.has_token(session.token()) && !session.has_token(""));
        assert!(!format!("{session:?}").contains(session.token()));
        assert!(sessions.find("another", true).is_none());
        sessions.end(&identifier);
        assert!(sessions.find(&identifier, true).is_none());
    }

    #[test]
    fn unused_session_ends_although_a_page_refreshes_itself() {
        let (sessions, key) = sessions(|options| options.idle_timeout = Duration::from_millis(200));
        let identifier = sessions.begin(&key).unwrap();
        std::thread::sleep(Duration::from_millis(120));
        assert!(sessions.find(&identifier, false).is_some());
        std::thread::sleep(Duration::from_millis(120));
        assert!(sessions.find(&identifier, false).is_none());
    }

    #[test]
    fn session_ends_at_last_although_it_is_used() {
        let (sessions, key) =
            sessions(|options| options.session_timeout = Duration::from_millis(150));
        let identifier = sessions.begin(&key).unwrap();
        assert!(sessions.find(&identifier, true).is_some());
        std::thread::sleep(Duration::from_millis(200));
        assert!(sessions.find(&identifier, true).is_none());
    }

    #[test]
    fn further_session_of_a_key_ends_its_own_oldest_one_and_no_other() {
        let (sessions, key) = sessions(|options| options.sessions_per_key_max = 3);
        let other = sessions.begin(&ApiKeySecret::generate().unwrap()).unwrap();
        let own: Vec<_> = (0..3).map(|_| sessions.begin(&key).unwrap()).collect();
        assert!(sessions.find(&own[0], true).is_some());
        sessions.begin(&key).unwrap();
        let is_there = |identifier: &String| sessions.find(identifier, true).is_some();
        assert_eq!(
            own.iter().map(is_there).collect::<Vec<_>>(),
            [true, false, true]
        );
        for _ in 0..50 {
            sessions.begin(&key).unwrap();
        }
        assert!(is_there(&other));
        assert_eq!(sessions.sessions.iter().count(), 4);
    }

    #[test]
    fn number_of_sessions_is_bounded() {
        let (sessions, key) = sessions(|options| {
            options.sessions_max = 3;
            options.sessions_per_key_max = 100;
        });
        let first = sessions.begin(&key).unwrap();
        for _ in 0..10 {
            sessions.begin(&key).unwrap();
            sessions.sessions.run_pending_tasks();
        }
        assert!(sessions.sessions.entry_count() <= 3);
        assert!(sessions.find(&first, true).is_none());
    }
}
