//! The service over HTTP: one transfer a request, or a hundred.

use neobank_domain::Ledger;
use neobank_domain::api_keys::{self, NewApiKey, Scope};
use neobank_server::{ApiKeySecret, Limits, Server, ServiceState, Workers};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::client::Client;
use super::engine::GroupCommit;
use crate::bank::cent;
use crate::choice::account;
use crate::error::BenchError;
use crate::load::{Moved, Mover};

/// The transfers of a batch.
const BATCH: u32 = 100;

/// A service in this process, and its clients.
pub(crate) struct Service {
    client: Client,
    accounts: u32,
    is_batched: bool,
    server: JoinHandle<usize>,
}

impl Service {
    /// Starts the service on the first ledger, without workers of its own.
    pub(crate) async fn start(
        mover: &GroupCommit,
        accounts: u32,
        is_batched: bool,
    ) -> Result<Self, BenchError> {
        let ledger = mover.ledger();
        let token = key(ledger).await?;
        let state = ServiceState::new(ledger.clone(), Limits::default());
        let listen = "127.0.0.1:0".parse().map_err(failed)?;
        let server = Server::bind(&listen, state).await.map_err(failed)?;
        let address = server.address().trim_start_matches("http://").to_owned();
        let server = server.with_workers(Workers::none());
        let server = tokio::spawn(server.run(std::future::pending()));
        Ok(Self {
            client: Client::new(address, &token),
            accounts,
            is_batched,
            server,
        })
    }

    fn batch(&self, from: u32, to: u32, key: &str) -> Result<Value, BenchError> {
        let place = |number: u32, step: u32| (number + step) % self.accounts;
        let requests = (0..BATCH).map(|step| {
            let transfer = transfer(place(from, step), place(to, step))?;
            Ok(json!({ "idempotency_key": format!("{key}/{step}"), "transfer": transfer }))
        });
        requests.collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Mover for Service {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<Moved, BenchError> {
        let key = key.unwrap_or_else(|| Uuid::now_v7().simple().to_string());
        if !self.is_batched {
            self.client
                .send("/v1/transfers", Some(&key), &transfer(from, to)?)
                .await?;
            return Ok(Moved::ONE);
        }
        let batch = self.batch(from, to, &key)?;
        let outcomes = self.client.send("/v1/batches", None, &batch).await?;
        let is_posted = |outcome: &Value| outcome["status"] == 201;
        let outcomes = outcomes["outcomes"].as_array().or(outcomes.as_array());
        let posted = outcomes
            .into_iter()
            .flatten()
            .filter(|one| is_posted(one))
            .count();
        if posted != usize::try_from(BATCH).map_err(failed)? {
            return Err(failed(format!(
                "{posted} of {BATCH} transfers of a batch were posted"
            )));
        }
        Ok(Moved {
            counted: BATCH.into(),
            transfers: BATCH.into(),
        })
    }
}

/// The body of a transfer of one cent.
pub(super) fn transfer(from: u32, to: u32) -> Result<Value, BenchError> {
    Ok(json!({ "from": account(from), "to": account(to), "amount": cent()? }))
}

/// Creates a key that may transfer.
async fn key(ledger: &Ledger) -> Result<String, BenchError> {
    let secret = ApiKeySecret::generate().map_err(failed)?;
    let scopes = vec![Scope::TransfersWrite];
    let new = NewApiKey::new("bench", secret.prefix(), secret.hash(), scopes);
    let actor = "bench:1".parse().map_err(failed)?;
    let change = ledger.acting_as(actor).begin_change().await?;
    api_keys::create(&change, &new).await.map_err(failed)?;
    change.commit().await?;
    Ok(secret.reveal().to_owned())
}

pub(super) fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::other("service", error.to_string())
}
