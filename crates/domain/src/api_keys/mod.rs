//! The keys of programs that call the service: their hashes, scopes, bindings and lifetimes.
//!
//! A key is 256 random bits, which the service shows once. The database has its prefix, by which it
//! is found, and its SHA-256. [`create`] and [`revoke`] need a transaction that names an actor, such
//! as [`Ledger::begin_change`](crate::Ledger::begin_change) begins.

mod error;
mod key;
mod query;
mod scope;

use std::collections::HashMap;

use neobank_db::{DatabaseError, Executor};
use neobank_entity::banking::{api_key_bindings, api_keys};
use neobank_entity::constraints::banking as rules;
use neobank_entity::functions::banking::{CreateApiKey, NoteApiKeyUse, RevokeApiKey};
use neobank_entity::sqlstates;

pub use error::ApiKeyError;
pub use key::{ApiKey, Bindings, NewApiKey};
pub use scope::{NotAScope, Scope};

use crate::ApiKeyId;

/// The most keys that [`list`] returns.
pub const LIST_MAX: u32 = 10_000;

/// Stores a new key and returns it.
///
/// # Errors
///
/// [`ApiKeyError`] names the part of the key that is invalid; nothing was changed.
pub async fn create(on: &impl Executor, new: &NewApiKey) -> Result<ApiKey, ApiKeyError> {
    new.validate()?;
    let call = CreateApiKey {
        api_key_id: new.api_key_id.as_uuid(),
        key_name: new.name.clone(),
        key_prefix: new.prefix.clone(),
        key_hash: new.hash.to_vec(),
        scopes: Scope::join(&new.scopes),
        customer_ids: new
            .bindings
            .customers
            .iter()
            .map(|id| id.as_uuid())
            .collect(),
        account_ids: new
            .bindings
            .accounts
            .iter()
            .map(|id| id.as_uuid())
            .collect(),
        expires_at: new.expires_at,
    };
    on.execute(call.statement()).await.map_err(not_created)?;
    let found = find(on, new.api_key_id).await?;
    found.ok_or(ApiKeyError::Unknown {
        api_key: new.api_key_id,
    })
}

/// Revokes a key. It is rejected from then on; a service that has cached it learns so within
/// seconds.
///
/// # Errors
///
/// [`ApiKeyError::Unknown`] if no key in force has the identifier,
/// [`ApiKeyError::ActorRequired`] and [`ApiKeyError::Database`].
pub async fn revoke(on: &impl Executor, api_key: ApiKeyId) -> Result<ApiKey, ApiKeyError> {
    let call = RevokeApiKey {
        api_key_id: api_key.as_uuid(),
    };
    let revoked: bool = on
        .fetch_value(call.statement())
        .await
        .map_err(not_created)?;
    match find(on, api_key).await? {
        Some(found) if revoked => Ok(found),
        _ => Err(ApiKeyError::Unknown { api_key }),
    }
}

/// Returns the key with an identifier.
///
/// # Errors
///
/// [`ApiKeyError::Database`].
pub async fn find(on: &impl Executor, api_key: ApiKeyId) -> Result<Option<ApiKey>, ApiKeyError> {
    let row = on.fetch_one(query::by_id(api_key)).await?;
    with_bindings(on, row).await
}

/// Returns the key with a prefix.
///
/// # Errors
///
/// [`ApiKeyError::Database`].
pub async fn find_by_prefix(
    on: &impl Executor,
    prefix: &str,
) -> Result<Option<ApiKey>, ApiKeyError> {
    let row = on.fetch_one(query::by_prefix(prefix)).await?;
    with_bindings(on, row).await
}

/// Returns all keys with their bindings, the newest first, at most [`LIST_MAX`].
///
/// # Errors
///
/// [`ApiKeyError::Database`].
pub async fn list(on: &impl Executor) -> Result<Vec<ApiKey>, ApiKeyError> {
    let rows: Vec<api_keys::Model> = on.fetch_many(query::list(LIST_MAX)).await?;
    let bindings: Vec<api_key_bindings::Model> = on.fetch_many(query::all_bindings()).await?;
    let mut of_key: HashMap<_, Vec<_>> = HashMap::new();
    for binding in bindings {
        of_key.entry(binding.api_key_id).or_default().push(binding);
    }
    let key = |row: api_keys::Model| {
        let bindings = of_key.remove(&row.api_key_id).unwrap_or_default();
        ApiKey::of_rows(row, &bindings)
    };
    rows.into_iter().map(key).collect()
}

/// Notes that a key is used, at most once a minute.
///
/// # Errors
///
/// [`ApiKeyError::Database`].
pub async fn note_use(on: &impl Executor, api_key: ApiKeyId) -> Result<(), ApiKeyError> {
    let call = NoteApiKeyUse {
        api_key_id: api_key.as_uuid(),
    };
    on.execute(call.statement()).await?;
    Ok(())
}

async fn with_bindings(
    on: &impl Executor,
    row: Option<api_keys::Model>,
) -> Result<Option<ApiKey>, ApiKeyError> {
    let Some(row) = row else {
        return Ok(None);
    };
    let id = ApiKeyId::from(row.api_key_id);
    let bindings: Vec<api_key_bindings::Model> = on.fetch_many(query::bindings(id)).await?;
    ApiKey::of_rows(row, &bindings).map(Some)
}

fn not_created(error: DatabaseError) -> ApiKeyError {
    match error.violated() {
        Some(rules::API_KEY_BINDINGS_CUSTOMERS_EXIST) => ApiKeyError::UnknownCustomers,
        Some(rules::API_KEY_BINDINGS_ACCOUNTS_EXIST) => ApiKeyError::UnknownAccounts,
        Some(rules::API_KEYS_EXPIRE_AFTER_CREATION) => ApiKeyError::Expired,
        _ if error.sqlstate() == Some(sqlstates::ACTOR_REQUIRED) => ApiKeyError::ActorRequired,
        _ => error.into(),
    }
}
