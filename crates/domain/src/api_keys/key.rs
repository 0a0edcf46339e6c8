//! A key without its secret.

use chrono::{DateTime, Utc};
use neobank_db::DatabaseError;
use neobank_entity::banking::{api_key_bindings, api_keys};
use serde::Serialize;

use super::{ApiKeyError, Scope};
use crate::{AccountId, ApiKeyId, CustomerId, text};

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ApiKey {
    /// The key's identifier.
    pub api_key_id: ApiKeyId,
    /// The name of the program, for people.
    pub name: String,
    /// The part of the key that is no secret.
    pub prefix: String,
    /// The SHA-256 of the whole key.
    #[serde(skip)]
    pub hash: Vec<u8>,
    /// The permissions.
    pub scopes: Vec<Scope>,
    /// The customers and accounts to which the key is limited.
    pub bindings: Bindings,
    /// The time of the creation.
    pub created_at: DateTime<Utc>,
    /// The person or program that created the key.
    pub created_by: String,
    /// The time from which the key is invalid.
    pub expires_at: Option<DateTime<Utc>>,
    /// The time of the last use, to about a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The time of the revocation.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The person or program that revoked the key.
    pub revoked_by: Option<String>,
}

/// The customers and accounts to which a key is limited. Without any, the key may use all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bindings {
    /// The customers whose accounts the key may use.
    pub customers: Vec<CustomerId>,
    /// The accounts that the key may use.
    pub accounts: Vec<AccountId>,
}

/// A key to create.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewApiKey {
    /// The key's identifier.
    pub api_key_id: ApiKeyId,
    /// The name of the program, of 1 to 100 characters.
    pub name: String,
    /// The part of the key that is no secret.
    pub prefix: String,
    /// The SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// The permissions, at least one.
    pub scopes: Vec<Scope>,
    /// The customers and accounts to which the key is limited.
    pub bindings: Bindings,
    /// The time from which the key is invalid.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Bindings {
    /// Returns true if the key may use all customers and accounts.
    #[must_use]
    pub const fn is_unlimited(&self) -> bool {
        self.customers.is_empty() && self.accounts.is_empty()
    }
}

impl NewApiKey {
    /// Returns a key with a new identifier, without bindings and without an expiry.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        prefix: impl Into<String>,
        hash: [u8; 32],
        scopes: Vec<Scope>,
    ) -> Self {
        Self {
            api_key_id: ApiKeyId::new(),
            name: name.into(),
            prefix: prefix.into(),
            hash,
            scopes,
            bindings: Bindings::default(),
            expires_at: None,
        }
    }

    /// The most characters of a name.
    pub const NAME_MAX: usize = 100;

    pub(super) fn validate(&self) -> Result<(), ApiKeyError> {
        if let Err(problem) = text::name(&self.name, Self::NAME_MAX) {
            return Err(ApiKeyError::Name {
                reason: problem.to_string(),
            });
        }
        if self.scopes.is_empty() {
            return Err(ApiKeyError::NoScope);
        }
        Ok(())
    }
}

impl ApiKey {
    /// Returns true if the key is neither revoked nor expired at a time.
    #[must_use]
    pub fn is_in_force(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }

    pub(super) fn of_rows(
        row: api_keys::Model,
        bindings: &[api_key_bindings::Model],
    ) -> Result<Self, ApiKeyError> {
        let scopes = Scope::split(&row.scopes).map_err(|error| DatabaseError::Row {
            reason: error.to_string(),
        })?;
        let customers = bindings.iter().filter_map(|one| one.customer_id);
        let accounts = bindings.iter().filter_map(|one| one.account_id);
        Ok(Self {
            api_key_id: row.api_key_id.into(),
            name: row.key_name,
            prefix: row.key_prefix,
            hash: row.key_hash,
            scopes,
            bindings: Bindings {
                customers: customers.map(Into::into).collect(),
                accounts: accounts.map(Into::into).collect(),
            },
            created_at: row.created_at,
            created_by: row.created_by,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
            revoked_by: row.revoked_by,
        })
    }
}
