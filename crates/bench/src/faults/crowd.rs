//! Callers of one held account, and callers of the other accounts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use neobank_db::Database;
use neobank_domain::ledger::group_commit::GroupCommitOptions;
use neobank_domain::{Ledger, LedgerError};
use tokio::task::JoinSet;

use crate::bank::transfer;
use crate::choice::{Choice, Chooser};
use crate::error::BenchError;
use crate::options::Options;

/// The number of the held account.
pub(super) const HELD: u32 = 0;
/// The number of accounts that the other callers do not use: the held account, and its counterpart
/// in the request of a stopped process.
const NOT_OTHERS: u32 = 2;
/// The number of callers that use the held account.
pub(super) const HELD_CALLERS: usize = 8;
/// The pause between two attempts at a request that failed.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Crowd {
    shared: Arc<Shared>,
    options: Options,
    tasks: JoinSet<Result<(), BenchError>>,
}

struct Shared {
    group_commit: Ledger,
    over: AtomicBool,
    /// Transfers of the other callers.
    done: AtomicU64,
    /// Transfers of all callers.
    ever: AtomicU64,
    /// The longest wait of the other callers, in microseconds.
    longest: AtomicU64,
}

impl Crowd {
    pub(super) fn new(options: &Options, database: Database) -> Result<Self, BenchError> {
        if options.accounts < NOT_OTHERS + 2 {
            return Err(BenchError::Option {
                option: "--accounts",
                value: options.accounts.to_string(),
                wanted: "at least 4 to measure faults",
            });
        }
        let mut limits = GroupCommitOptions::default();
        limits.batch_size_max = options.group_size;
        limits.workers = options.workers;
        let group_commit = Ledger::builder(database)
            .account_cache_capacity(options.account_cache)
            .group_commit(limits)
            .build()
            .map_err(|error| BenchError::other("group commit", error))?;
        Ok(Self {
            shared: Arc::new(Shared {
                group_commit,
                over: AtomicBool::new(false),
                done: AtomicU64::new(0),
                ever: AtomicU64::new(0),
                longest: AtomicU64::new(0),
            }),
            options: options.clone(),
            tasks: JoinSet::new(),
        })
    }

    /// Posts one transfer, so that a connection is open.
    pub(super) async fn warm_up(&self) -> Result<(), BenchError> {
        self.shared.transfer(HELD, 1).await
    }

    /// Starts the callers of the held account. They pay into one common account, or into random
    /// ones.
    pub(super) fn start_callers_of_held_account(&mut self, with_one: bool) {
        for caller in 0..HELD_CALLERS {
            let shared = Arc::clone(&self.shared);
            let mut chooser = Chooser::new(
                Choice::Random,
                self.options.accounts.saturating_sub(NOT_OTHERS),
                !(caller as u64),
            );
            self.tasks.spawn(async move {
                while !shared.over.load(Ordering::Acquire) {
                    let other = if with_one {
                        1
                    } else {
                        chooser.one() + NOT_OTHERS
                    };
                    shared.transfer(HELD, other).await?;
                }
                Ok(())
            });
        }
    }

    pub(super) async fn until_a_group_is_under_way(&self) {
        let metrics = || self.shared.group_commit.group_commit_metrics();
        while metrics().workers == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) fn others(&mut self) {
        for caller in 0..self.options.most_callers() {
            let shared = Arc::clone(&self.shared);
            let mut chooser = Chooser::new(
                Choice::Random,
                self.options.accounts.saturating_sub(NOT_OTHERS),
                caller as u64,
            );
            self.tasks.spawn(async move {
                while !shared.over.load(Ordering::Acquire) {
                    let (from, to) = chooser.pair();
                    let started = Instant::now();
                    shared.transfer(from + NOT_OTHERS, to + NOT_OTHERS).await?;
                    let waited = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                    shared.longest.fetch_max(waited, Ordering::Relaxed);
                    shared.done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
    }

    /// Returns the number of transfers of the other callers so far.
    pub(super) fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }

    /// Returns the longest wait of the other callers so far, in milliseconds.
    pub(super) fn longest(&self) -> f64 {
        self.shared.longest.load(Ordering::Relaxed) as f64 / 1_000.0
    }

    /// Waits until each caller has its result, and returns the number of transfers.
    pub(super) async fn end(mut self) -> Result<u64, BenchError> {
        self.shared.over.store(true, Ordering::Release);
        while let Some(task) = self.tasks.join_next().await {
            task.map_err(|panicked| BenchError::other("a caller", panicked))??;
        }
        Ok(self.shared.ever.load(Ordering::Acquire))
    }
}

impl Shared {
    /// Moves a cent once, with as many attempts as that takes.
    async fn transfer(&self, from: u32, to: u32) -> Result<(), BenchError> {
        let key = uuid::Uuid::now_v7().simple().to_string();
        loop {
            match self
                .group_commit
                .transfer(transfer(from, to, Some(key.clone()))?)
                .await
            {
                Ok(_) => break,
                Err(error @ LedgerError::Rejected(_)) => return Err(error.into()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        self.ever.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}
