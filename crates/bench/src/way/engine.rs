//! NeoBank's own ledger, alone and gathered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use neobank_db::Database;
use neobank_domain::Ledger;
use neobank_domain::ledger::group_commit::{GroupCommitMetrics, GroupCommitOptions};

use crate::books::{ledger, transfer};
use crate::error::BenchError;
use crate::host::Host;
use crate::load::Mover;
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
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<(), BenchError> {
        self.0.transfer(transfer(from, to, key)?).await?;
        Ok(())
    }
}

/// Gathered ledgers beside each other, each with a memory of its own, as those of several processes are.
#[derive(Clone)]
pub(crate) struct Gathered {
    instances: Arc<[Instance]>,
    next: Arc<AtomicUsize>,
}

struct Instance {
    gathered: Ledger,
    ledger: Ledger,
}

impl Gathered {
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
        limits.group_size_max = options.group_size;
        limits.workers = options.workers;
        limits.waiting_max = 200_000;
        let instances = (0..options.instances).map(|_| {
            let ledger = ledger(database.clone(), options)?;
            let gathered =
                ledger
                    .with_group_commit(limits.clone())
                    .map_err(|error| BenchError::Option {
                        option: error.limit,
                        value: error.value.to_string(),
                        wanted: "within the limits of gathering",
                    })?;
            Ok(Instance { gathered, ledger })
        });
        Ok(Self {
            instances: instances.collect::<Result<_, BenchError>>()?,
            next: Arc::default(),
        })
    }

    pub(crate) fn ledgers(&self) -> impl Iterator<Item = &Ledger> {
        self.instances.iter().map(|instance| &instance.ledger)
    }

    /// Requests in a group, on average.
    pub(crate) fn mean_size(&self) -> f64 {
        let (groups, requests) = self.metrics().fold((0, 0), |(groups, requests), metrics| {
            (groups + metrics.groups, requests + metrics.requests)
        });
        requests as f64 / (groups.max(1)) as f64
    }

    /// Requests that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.metrics().map(|metrics| metrics.waiting).sum()
    }

    /// Ends every connection, of all instances.
    pub(crate) fn close(&self) {
        for ledger in self.ledgers() {
            ledger.database().close();
        }
    }

    fn metrics(&self) -> impl Iterator<Item = GroupCommitMetrics> {
        self.instances
            .iter()
            .map(|instance| instance.gathered.group_commit_metrics())
    }
}

impl Mover for Gathered {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<(), BenchError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.instances.len();
        let gathered = &self.instances[turn].gathered;
        gathered.transfer(transfer(from, to, key)?).await?;
        Ok(())
    }
}
