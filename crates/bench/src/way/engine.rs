//! NeoBank's own ledger, without and with group commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use neobank_db::Database;
use neobank_domain::Ledger;
use neobank_domain::ledger::group_commit::{GroupCommitMetrics, GroupCommitOptions};

use crate::bank::{ledger, transfer};
use crate::error::BenchError;
use crate::host::Host;
use crate::load::{Moved, Mover};
use crate::options::Options;

pub(crate) struct Single(Ledger);

impl Single {
    pub(crate) fn new(database: &Database, options: &Options) -> Result<Self, BenchError> {
        Ok(Self(ledger(database.clone(), options)?))
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.0.clone()
    }
}

impl Mover for Single {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<Moved, BenchError> {
        self.0.transfer(transfer(from, to, key)?).await?;
        Ok(Moved::ONE)
    }
}

/// Ledgers with group commit, each with an account cache of its own, as several processes have
/// them.
#[derive(Clone)]
pub(crate) struct GroupCommit {
    instances: Arc<[Ledger]>,
    next: Arc<AtomicUsize>,
}

impl GroupCommit {
    pub(crate) async fn connect(host: &Host, options: &Options) -> Result<Self, BenchError> {
        let connections = options
            .instances
            .saturating_mul(options.workers)
            .saturating_add(1);
        let database = Database::connect(host.application(connections)?).await?;
        Self::new(&database, options)
    }

    pub(crate) fn new(database: &Database, options: &Options) -> Result<Self, BenchError> {
        let mut limits = GroupCommitOptions::default();
        limits.batch_size_max = options.group_size;
        limits.workers = options.workers;
        limits.waiting_max = 200_000;
        let instances = (0..options.instances).map(|_| {
            Ledger::builder(database.clone())
                .account_cache_capacity(options.account_cache)
                .group_commit(limits.clone())
                .build()
                .map_err(|error| BenchError::Option {
                    option: error.limit,
                    value: error.value.to_string(),
                    wanted: "within the limits of group commit",
                })
        });
        Ok(Self {
            instances: instances.collect::<Result<_, BenchError>>()?,
            next: Arc::default(),
        })
    }

    pub(crate) fn ledgers(&self) -> impl Iterator<Item = &Ledger> {
        self.instances.iter()
    }

    /// Returns the ledgers in turn.
    pub(crate) fn ledger(&self) -> &Ledger {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.instances.len();
        &self.instances[turn]
    }

    /// Returns the mean number of requests in a batch.
    pub(crate) fn mean_size(&self) -> f64 {
        let (batches, requests) = self.metrics().fold((0, 0), |(batches, requests), metrics| {
            (batches + metrics.batches, requests + metrics.requests)
        });
        requests as f64 / (batches.max(1)) as f64
    }

    /// Returns the number of requests that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.metrics().map(|metrics| metrics.waiting).sum()
    }

    /// Closes every connection of all instances.
    pub(crate) fn close(&self) {
        for ledger in self.ledgers() {
            ledger.database().close();
        }
    }

    fn metrics(&self) -> impl Iterator<Item = GroupCommitMetrics> {
        self.instances.iter().map(Ledger::group_commit_metrics)
    }
}

impl Mover for GroupCommit {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<Moved, BenchError> {
        self.ledger().transfer(transfer(from, to, key)?).await?;
        Ok(Moved::ONE)
    }
}
