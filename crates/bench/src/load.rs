//! Callers in a closed loop, each of which sends its next request when it is served, or callers
//! that arrive at a rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use neobank_db::Database;
use neobank_domain::accounts;
use neobank_domain::statements::{self, Days, StatementRequest};
use tokio::task::{JoinError, JoinSet};

use crate::choice::{Choice, Chooser, account};
use crate::error::BenchError;
use crate::host::Host;
use crate::latency::Latencies;
use crate::measured::{Moment, Used};
use crate::options::Options;
use crate::report::Latency;

/// A way to move money by one call.
pub(crate) trait Mover: Send + Sync + 'static {
    /// Moves a cent, or cents in several transfers; `key` is the idempotency key.
    fn transfer(
        &self,
        from: u32,
        to: u32,
        key: Option<String>,
    ) -> impl Future<Output = Result<Moved, BenchError>> + Send;
}

/// The result of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    /// The number by which the call counts in the throughput.
    pub(crate) counted: u64,
    /// The transfers that are stored now.
    pub(crate) transfers: u64,
}

impl Moved {
    /// A call that is one transfer.
    pub(crate) const ONE: Self = Self {
        counted: 1,
        transfers: 1,
    };
}

/// Figures of a measured load.
pub(crate) struct Loaded {
    /// The calls of the measured window, as the way counts them: transfers of most ways.
    pub(crate) counted: u64,
    /// All transfers, also those before and after the window.
    pub(crate) transfers_ever: u64,
    /// Callers that were dropped because [`BACKLOG_MAX`] callers waited already.
    pub(crate) dropped: u64,
    pub(crate) used: Used,
    pub(crate) latencies: Latencies,
    pub(crate) balances: Latencies,
    pub(crate) pages: Latencies,
}

struct Shared<M> {
    mover: M,
    database: Database,
    phase: AtomicU8,
    done: AtomicU64,
    ever: AtomicU64,
    dropped: AtomicU64,
    latencies: Latencies,
    balances: Latencies,
    pages: Latencies,
    choice: Choice,
    accounts: u32,
    reads: u8,
    page: u32,
    keys: bool,
}

const WARM_UP: u8 = 0;
const MEASURED: u8 = 1;
const OVER: u8 = 2;

/// The number of waiting callers beyond which arrivals are dropped and counted.
const BACKLOG_MAX: usize = 20_000;

pub(crate) async fn load<M: Mover>(
    mover: M,
    choice: Choice,
    callers: usize,
    options: &Options,
    host: &Host,
    database: &Database,
) -> Result<Loaded, BenchError> {
    let running = Running::start(mover, choice, callers, options, database);
    tokio::time::sleep(Duration::from_secs(options.warm_up)).await;
    let before = Moment::now(host).await?;
    running.measure();
    tokio::time::sleep(options.window()).await;
    running.stop();
    let counted = running.counted();
    let used = before.used_since(host).await?;
    let shared = running.end().await?;
    Ok(Loaded {
        counted,
        transfers_ever: shared.ever.into_inner(),
        dropped: shared.dropped.into_inner(),
        used,
        latencies: shared.latencies,
        balances: shared.balances,
        pages: shared.pages,
    })
}

/// Running callers. They warm up until [`measure`](Self::measure), and go on until
/// [`stop`](Self::stop).
pub(crate) struct Running<M> {
    shared: Arc<Shared<M>>,
    tasks: JoinSet<Result<(), BenchError>>,
}

impl<M: Mover> Running<M> {
    pub(crate) fn start(
        mover: M,
        choice: Choice,
        callers: usize,
        options: &Options,
        database: &Database,
    ) -> Self {
        let shared = Arc::new(Shared {
            mover,
            database: database.clone(),
            phase: AtomicU8::new(WARM_UP),
            done: AtomicU64::new(0),
            ever: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            latencies: Latencies::new(),
            balances: Latencies::new(),
            pages: Latencies::new(),
            choice,
            accounts: options.accounts,
            reads: options.reads,
            page: options.page,
            keys: !options.no_keys,
        });
        let mut tasks = JoinSet::new();
        match options.rate {
            None => {
                for caller in 0..callers {
                    tasks.spawn(ask_again(Arc::clone(&shared), caller));
                }
            }
            Some(rate) => drop(tasks.spawn(come_at(Arc::clone(&shared), rate))),
        }
        Self { shared, tasks }
    }

    pub(crate) fn measure(&self) {
        self.shared.phase.store(MEASURED, Ordering::Release);
    }

    pub(crate) fn stop(&self) {
        self.shared.phase.store(OVER, Ordering::Release);
    }

    /// Returns [`Loaded::counted`] of the measured window so far.
    pub(crate) fn counted(&self) -> u64 {
        self.shared.done.load(Ordering::Acquire)
    }

    /// Returns the latencies since the last call.
    pub(crate) fn take_latencies(&self) -> Latency {
        self.shared.latencies.take()
    }

    /// Returns an error if a caller has failed; otherwise all callers still run.
    pub(crate) fn check(&mut self) -> Result<(), BenchError> {
        self.tasks.try_join_next().map_or(Ok(()), ended)
    }

    /// Waits for the results of all sent requests, and returns the number of transfers from the
    /// first to the last.
    pub(crate) async fn finish(self) -> Result<u64, BenchError> {
        Ok(self.end().await?.ever.into_inner())
    }

    async fn end(mut self) -> Result<Shared<M>, BenchError> {
        while let Some(task) = self.tasks.join_next().await {
            ended(task)?;
        }
        Arc::into_inner(self.shared)
            .ok_or_else(|| BenchError::other("the callers", "are still there"))
    }
}

fn ended(task: Result<Result<(), BenchError>, JoinError>) -> Result<(), BenchError> {
    task.map_err(|panicked| BenchError::other("a caller", panicked))?
}

async fn ask_again<M: Mover>(shared: Arc<Shared<M>>, caller: usize) -> Result<(), BenchError> {
    let mut chooser = Chooser::new(shared.choice, shared.accounts, caller as u64 + 1);
    while shared.phase.load(Ordering::Acquire) != OVER {
        let started = Instant::now();
        shared.call(caller, started, &mut chooser).await?;
    }
    Ok(())
}

/// A latency counts from the scheduled arrival, so that a caller that starts late counts as one
/// that waited.
async fn come_at<M: Mover>(shared: Arc<Shared<M>>, rate: u32) -> Result<(), BenchError> {
    let started = Instant::now();
    let mut chooser = Chooser::new(shared.choice, shared.accounts, 1);
    let mut calls = JoinSet::new();
    let mut came = 0_usize;
    while shared.phase.load(Ordering::Acquire) != OVER {
        let due = (started.elapsed().as_secs_f64() * f64::from(rate)).round();
        while (came as f64) < due {
            let at = started + Duration::from_secs_f64(came as f64 / f64::from(rate));
            came += 1;
            if calls.len() >= BACKLOG_MAX {
                shared.dropped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let mut own = Chooser::new(shared.choice, shared.accounts, chooser.one().into());
            let shared = Arc::clone(&shared);
            calls.spawn(async move { shared.call(came, at, &mut own).await });
        }
        while let Some(call) = calls.try_join_next() {
            ended(call)?;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while let Some(call) = calls.join_next().await {
        ended(call)?;
    }
    Ok(())
}

impl<M: Mover> Shared<M> {
    async fn call(
        &self,
        caller: usize,
        started: Instant,
        chooser: &mut Chooser,
    ) -> Result<(), BenchError> {
        let latencies = if chooser.percent(self.reads) {
            self.read(chooser).await?
        } else {
            let (from, to) = chooser.pair();
            let key = self.keys.then(|| uuid::Uuid::now_v7().simple().to_string());
            let moved = self.mover.transfer(from, to, key).await?;
            self.ever.fetch_add(moved.transfers, Ordering::Relaxed);
            if self.phase.load(Ordering::Acquire) == MEASURED {
                self.done.fetch_add(moved.counted, Ordering::Relaxed);
            }
            &self.latencies
        };
        if self.phase.load(Ordering::Acquire) == MEASURED {
            latencies.record(caller, started.elapsed());
        }
        Ok(())
    }

    /// Reads a balance or a page of a statement, at random.
    async fn read(&self, chooser: &mut Chooser) -> Result<&Latencies, BenchError> {
        let account = account(chooser.one());
        if chooser.percent(50) {
            accounts::find(&self.database, account)
                .await
                .map_err(|error| BenchError::other("a balance", error))?;
            return Ok(&self.balances);
        }
        statements::page(&self.database, account, &newest(self.page))
            .await
            .map_err(|error| BenchError::other("a statement", error))?;
        Ok(&self.pages)
    }
}

/// The newest entries of an account, without a time range.
fn newest(limit: u32) -> StatementRequest {
    StatementRequest::between(new_year(2000), new_year(2200))
        .with_days(Days::OfUtc)
        .with_limit(limit)
}

fn new_year(year: i32) -> chrono::NaiveDate {
    chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default()
}
