//! The verification of one token, and what it grants.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use neobank_domain::api_keys::{Bindings, Scope};
use neobank_domain::ledger::Actor;
use neobank_domain::{AccountId, CustomerId};
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use super::Shared;
use super::keys::{Key, NoKey};

/// The most bytes of a token.
const BYTES_MAX: usize = 8 * 1024;

/// The most that the clocks of the issuer and of the service may differ, in seconds.
const LEEWAY: u64 = 30;

/// The most customers and accounts of a token.
const BINDINGS_MAX: usize = 1_000;

/// The actor, the scopes and the bindings that a token grants.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) actor: Actor,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) bindings: Bindings,
}

/// The reason why a token is denied, for the log. It has nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The token is wrong.
    Wrong(&'static str),
    /// The issuer's keys could not be read, so that no token can be verified.
    Unread,
}

#[derive(Deserialize)]
struct Claims {
    /// One issuer, and no list of them.
    iss: String,
    sub: String,
    iat: Option<Number>,
    /// The scopes with spaces between them (RFC 9068).
    scope: Option<String>,
    /// The same, as other issuers write it.
    scp: Option<OneOrMany>,
    #[serde(default, deserialize_with = "given")]
    neobank_customers: Option<Vec<CustomerId>>,
    #[serde(default, deserialize_with = "given")]
    neobank_accounts: Option<Vec<AccountId>>,
}

/// Reads a claim that is there: `null` is an empty list, as an issuer writes it for a person without
/// accounts.
fn given<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Option::<Vec<T>>::deserialize(deserializer)?;
    Ok(Some(list.unwrap_or_default()))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Verifies a token of an issuer.
pub(super) async fn verify(issuer: &Shared, token: &str) -> Result<Grant, Denial> {
    if token.len() > BYTES_MAX {
        return Err(Denial::Wrong("is too long"));
    }
    let header = decode_header(token).map_err(|error| wrong(error.kind()))?;
    require_header(&header)?;
    let key = issuer.keys.find(header.kid.as_deref()).await;
    let key = key.map_err(|reason| match reason {
        NoKey::Unknown => Denial::Wrong("is signed by an unknown key"),
        NoKey::Unread => Denial::Unread,
    })?;
    let claims = verified_claims(issuer, token, &key)?;
    if claims.iss != issuer.options.issuer {
        return Err(Denial::Wrong("is of another issuer"));
    }
    require_issued(claims.iat.as_ref())?;
    grant(&issuer.name, claims)
}

/// The header names an access token, and nothing that the service would have to understand.
fn require_header(header: &Header) -> Result<(), Denial> {
    let kind = header.typ.as_deref().unwrap_or("jwt").to_ascii_lowercase();
    if !["at+jwt", "application/at+jwt", "jwt"].contains(&kind.as_str()) {
        return Err(Denial::Wrong("is no access token"));
    }
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(Denial::Wrong("has a header that is not understood"));
    }
    Ok(())
}

fn verified_claims(issuer: &Shared, token: &str, key: &Key) -> Result<Claims, Denial> {
    // The algorithm is the key's, so that a token cannot choose it.
    let mut validation = Validation::new(key.algorithm);
    validation.set_issuer(&[&issuer.options.issuer]);
    validation.set_audience(&[&issuer.options.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY;
    let decoded = decode::<Claims>(token, &key.key, &validation);
    Ok(decoded.map_err(|error| wrong(error.kind()))?.claims)
}

/// A token from the future has the wrong clock, or a lie.
fn require_issued(issued: Option<&Number>) -> Result<(), Denial> {
    let Some(issued) = issued else {
        return Ok(());
    };
    // Also with a fraction or an exponent, as JSON allows.
    let seconds = issued.as_f64().filter(|seconds| *seconds >= 0.0);
    let seconds = seconds.ok_or(Denial::Wrong("has a malformed claim"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let latest = now.unwrap_or_default() + Duration::from_secs(LEEWAY);
    if seconds > latest.as_secs_f64() {
        return Err(Denial::Wrong("was issued in the future"));
    }
    Ok(())
}

fn grant(issuer: &str, claims: Claims) -> Result<Grant, Denial> {
    if claims.sub.trim().is_empty() {
        return Err(Denial::Wrong("has a blank subject"));
    }
    if claims.sub.chars().any(is_direction_mark) {
        return Err(Denial::Wrong("has a subject with marks of direction"));
    }
    let actor = format!("oidc:{issuer}/{}", claims.sub).parse();
    let actor = actor.map_err(|_| Denial::Wrong("has a subject that cannot be an actor"))?;
    let written = match claims.scp {
        Some(OneOrMany::One(text)) => text,
        Some(OneOrMany::Many(texts)) => texts.join(" "),
        None => String::new(),
    };
    let scope = claims.scope.unwrap_or_default();
    let names = scope.split(' ').chain(written.split(' '));
    // Scopes of other services are none of this one's.
    let mut scopes: Vec<Scope> = names.filter_map(|name| name.parse().ok()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let is_bound = claims.neobank_customers.is_some() || claims.neobank_accounts.is_some();
    let bindings = Bindings {
        customers: claims.neobank_customers.unwrap_or_default(),
        accounts: claims.neobank_accounts.unwrap_or_default(),
    };
    if is_bound && bindings.is_unlimited() {
        // Bound to nothing must not become bound to everything.
        return Err(Denial::Wrong("is bound to no customer and no account"));
    }
    if bindings.customers.len() > BINDINGS_MAX || bindings.accounts.len() > BINDINGS_MAX {
        return Err(Denial::Wrong("is bound to too many customers or accounts"));
    }
    Ok(Grant {
        actor,
        scopes,
        bindings,
    })
}

/// Returns true for a character without a glyph that changes the direction of the text around it, so
/// that one subject could look as another.
const fn is_direction_mark(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Returns the reason without anything of the token.
fn wrong(kind: &ErrorKind) -> Denial {
    Denial::Wrong(match kind {
        ErrorKind::InvalidSignature => "has a wrong signature",
        ErrorKind::ExpiredSignature => "is expired",
        ErrorKind::ImmatureSignature => "is not yet valid",
        ErrorKind::InvalidIssuer => "is of another issuer",
        ErrorKind::InvalidAudience => "is for another audience",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "has an algorithm that is not its key's"
        }
        ErrorKind::MissingRequiredClaim(_) => "lacks a claim",
        _ => "is malformed",
    })
}
