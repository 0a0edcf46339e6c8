//! The cost that one fault has for callers that do not touch it. The faults: a row lock of another session, requests that the
//! database rejects, a role that takes advisory locks, a stopped server process, and a killed server.

mod crowd;
mod locks;

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use indicatif::ProgressBar;
use neobank_db::{Database, Executor, statement};
use serde::Serialize;

use self::crowd::Crowd;
use crate::bank::Bank;
use crate::choice::account;
use crate::error::BenchError;
use crate::host::Host;
use crate::median::median;
use crate::options::Options;

/// The application name by which the measurement finds its own connections.
const APPLICATION: &str = "neobank bench faults";
/// The longest time that a killed server may take to serve again before the measurement fails.
const BACK_MAX: Duration = Duration::from_secs(120);

/// The cost of faults for callers of a ledger with group commit that do not touch them.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Faults {
    /// The server's major version.
    pub postgres: u32,
    /// The number of accounts, of which one is held.
    pub accounts: u32,
    /// The number of callers of the other accounts.
    pub callers: usize,
    /// The number of callers of the held account, beside them.
    pub held_callers: usize,
    /// A line for each fault, the first without one.
    pub lines: Vec<FaultLine>,
    /// The recovery of a killed server, where it could be killed.
    pub killed: Option<Killed>,
    /// The number of entries that the audit read at the end.
    pub entries: u64,
}

/// Figures of the callers of the other accounts.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FaultLine {
    /// The fault.
    pub fault: Fault,
    /// Their transfers per second.
    pub throughput: f64,
    /// The ratio to the line without a fault.
    pub ratio: f64,
    /// The longest of their waits, in milliseconds.
    pub longest: f64,
}

/// The fault during a measured line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// No fault.
    None,
    /// Another session has an open transaction that holds no account. The server keeps old row
    /// versions for it, which slows every caller; a locked account is therefore compared with this
    /// line.
    OpenTransaction,
    /// Another session holds the row lock of one account.
    LockedAccount,
    /// Most groups contain a request that the database rejects.
    #[serde(rename = "refused_requests")]
    RejectedRequests,
    /// Another role takes every advisory lock that it sees in `pg_locks`, and the keys beside them.
    TakenLocks,
    /// The server process that executes a request for that account is stopped by a signal.
    StoppedProcess,
}

/// The recovery of service after a server process was killed.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Killed {
    /// Milliseconds from the kill until the server accepted a new session.
    pub server: f64,
    /// Milliseconds from then until a caller had a receipt.
    pub service: f64,
}

/// Measures the cost of each fault.
///
/// # Errors
///
/// As [`run`](crate::run).
pub async fn faults(options: &Options) -> Result<Faults, BenchError> {
    crate::on_host(options, async |host, progress| {
        measure(options, host, progress).await
    })
    .await
}

async fn measure(
    options: &Options,
    host: &Host,
    progress: &ProgressBar,
) -> Result<Faults, BenchError> {
    let mut bank = Bank::open(options, host, progress).await?;
    let mut all = vec![
        Fault::None,
        Fault::OpenTransaction,
        Fault::LockedAccount,
        Fault::RejectedRequests,
        Fault::TakenLocks,
    ];
    // Only processes of this machine can be stopped.
    all.extend(host.process.map(|_| Fault::StoppedProcess));
    let mut rounds = Vec::new();
    for _ in 0..options.rounds_or(1) {
        let mut round = Vec::new();
        for fault in &all {
            progress.set_message(fault.to_string());
            round.push(line(*fault, options, host, &mut bank).await?);
        }
        rounds.push(round);
    }
    let lines = all.iter().enumerate();
    let lines = lines.map(|(place, fault)| FaultLine::of(*fault, place, &rounds));
    let lines = lines.collect();
    let mut killed = None;
    if host.process.is_some() {
        progress.set_message("a killed server");
        killed = Some(kill(options, host, &mut bank).await?);
        bank = bank.copied(options, host).await?;
    }
    progress.set_message("every invariant");
    Ok(Faults {
        postgres: host.version(),
        accounts: options.accounts,
        callers: options.most_callers(),
        held_callers: crowd::HELD_CALLERS,
        lines,
        killed,
        entries: bank.check().await?,
    })
}

impl FaultLine {
    /// Returns the medians of the rounds, and the longest wait of all.
    fn of(fault: Fault, place: usize, rounds: &[Vec<(f64, f64)>]) -> Self {
        let figures = || {
            let figures = rounds.iter().map(|round| (round.first(), round.get(place)));
            figures.filter_map(|(first, this)| first.zip(this))
        };
        Self {
            fault,
            throughput: median(figures().map(|(_, this)| this.0)),
            ratio: median(figures().map(|(first, this)| this.0 / first.0)),
            longest: figures().map(|(_, this)| this.1).fold(0.0, f64::max),
        }
    }
}

/// Returns the other callers' transfers per second, and their longest wait in milliseconds.
async fn line(
    fault: Fault,
    options: &Options,
    host: &Host,
    bank: &mut Bank,
) -> Result<(f64, f64), BenchError> {
    bank.settle(options, host).await?;
    let mut crowd = Crowd::new(options, database(host, options).await?)?;
    crowd.warm_up().await?;
    let mut stranger = None;
    let mut stopped = None;
    let mut taker = None;
    match fault {
        Fault::None => {}
        Fault::OpenTransaction => {
            let transaction = bank.database.begin().await?;
            let sql = "SELECT pg_catalog.pg_current_xact_id()::text";
            transaction.query(statement(sql, [])).await?;
            stranger = Some(transaction);
        }
        Fault::LockedAccount => {
            let transaction = bank.database.begin().await?;
            let sql = "SELECT FROM banking.accounts WHERE account_id = $1 FOR UPDATE";
            let lock = statement(sql, [account(crowd::HELD).as_uuid().into()]);
            transaction.execute(lock).await?;
            stranger = Some(transaction);
        }
        Fault::RejectedRequests => Rejected::begin(host).await?,
        Fault::TakenLocks => taker = Some(locks::Taker::start(host).await?),
        Fault::StoppedProcess => stopped = Some(Stopped::all(host).await?),
    }
    crowd.start_callers_of_held_account(stopped.is_some());
    if stopped.is_some() {
        // One of these requests reaches the stopped process before the other callers come.
        crowd.until_a_group_is_under_way().await;
    }
    crowd.others();
    tokio::time::sleep(Duration::from_secs(options.warm_up)).await;
    let started = Instant::now();
    let before = crowd.done();
    // Waits that began before the fault ended belong to the measurement, because the fault caused
    // them.
    tokio::time::sleep(options.window()).await;
    let done = crowd.done() - before;
    let elapsed = started.elapsed();
    let longest = crowd.longest();
    if let Some(transaction) = stranger {
        transaction.rollback().await?;
    }
    drop(stopped);
    if let Some(taker) = taker {
        taker.stop().await?;
    }
    if fault == Fault::RejectedRequests {
        Rejected::end(host).await?;
    }
    bank.transfers += crowd.end().await?;
    Ok((done as f64 / elapsed.as_secs_f64(), longest))
}

/// Kills a server process under load, upon which the server ends all others and recovers.
async fn kill(options: &Options, host: &Host, bank: &mut Bank) -> Result<Killed, BenchError> {
    let mut crowd = Crowd::new(options, database(host, options).await?)?;
    crowd.warm_up().await?;
    crowd.others();
    tokio::time::sleep(Duration::from_secs(options.warm_up)).await;
    let victims = processes(host).await?;
    signal("-KILL", victims.get(..1).unwrap_or_default())?;
    let killed = Instant::now();
    // The server may still accept a session before it notices the death of its process.
    let was_up = started_at(host).await;
    while started_at(host).await.is_none_or(|at| Some(at) == was_up) {
        if killed.elapsed() > BACK_MAX {
            return Err(BenchError::other("the server", "did not come back"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let back = Instant::now();
    let served = crowd.done();
    while crowd.done() == served {
        if back.elapsed() > BACK_MAX {
            return Err(BenchError::other("the ledger", "did not come back"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let service = back.elapsed();
    bank.transfers += crowd.end().await?;
    Ok(Killed {
        server: milliseconds(back.duration_since(killed)),
        service: milliseconds(service),
    })
}

async fn database(host: &Host, options: &Options) -> Result<Database, BenchError> {
    let mut config = host.application(options.workers.saturating_add(8))?;
    config.application_name = APPLICATION.to_owned();
    Ok(Database::connect(config).await?)
}

/// Returns the time of the server's last recovery, read in a session of its own; `None` while the
/// server accepts no session.
async fn started_at(host: &Host) -> Option<String> {
    let config = neobank_db::DatabaseConfig::from_url(&host.url).ok()?;
    let database = Database::connect(config).await.ok()?;
    // The postmaster's start time does not change when the server recovers from the death of one of
    // its processes.
    let sql = "SELECT backend_start::text FROM pg_catalog.pg_stat_activity WHERE backend_type = 'checkpointer'";
    let started = database.fetch_value(statement(sql, [])).await.ok();
    database.close();
    started
}

async fn processes(host: &Host) -> Result<Vec<String>, BenchError> {
    let sql = "SELECT pid FROM pg_catalog.pg_stat_activity WHERE application_name = $1";
    let rows = host
        .superuser
        .query(statement(sql, [APPLICATION.into()]))
        .await?;
    let pids = rows.iter().map(|row| row.get::<_, i32>(0).to_string());
    Ok(pids.collect())
}

fn signal(name: &'static str, processes: &[String]) -> Result<(), BenchError> {
    let status = Command::new("kill").arg(name).args(processes).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(BenchError::other("kill", status)),
        Err(error) => Err(BenchError::other("kill", error)),
    }
}

/// A trigger that rejects each entry of the held account; it is dropped again for the other lines.
struct Rejected;

impl Rejected {
    async fn begin(host: &Host) -> Result<(), BenchError> {
        let held = account(crowd::HELD);
        for sql in [
            "CREATE OR REPLACE FUNCTION public.neobank_bench_rejects() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE EXCEPTION 'rejected by the benchmark' USING ERRCODE = '23514';
             END $$"
                .to_owned(),
            format!(
                "CREATE TRIGGER neobank_bench_rejects BEFORE INSERT ON banking.transactions FOR EACH ROW
                 WHEN (NEW.account_id = '{held}') EXECUTE FUNCTION public.neobank_bench_rejects()"
            ),
        ] {
            host.superuser.execute(statement(&sql, [])).await?;
        }
        Ok(())
    }

    /// Ends the fault before the audit, which would report it.
    async fn end(host: &Host) -> Result<(), BenchError> {
        let sql = "DROP FUNCTION public.neobank_bench_rejects() CASCADE";
        host.superuser.execute(statement(sql, [])).await?;
        Ok(())
    }
}

/// Server processes that are stopped by a signal until this is dropped.
struct Stopped(Vec<String>);

impl Stopped {
    async fn all(host: &Host) -> Result<Self, BenchError> {
        let stopped = Self(processes(host).await?);
        signal("-STOP", &stopped.0)?;
        Ok(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // A process that has ended in between needs no signal.
        let _ = signal("-CONT", &self.0);
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::None => "no fault",
            Self::OpenTransaction => "an open transaction",
            Self::LockedAccount => "a locked account",
            Self::RejectedRequests => "rejected requests",
            Self::TakenLocks => "taken advisory locks",
            Self::StoppedProcess => "a stopped process",
        })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "fault",
            "others a second",
            "of no fault",
            "longest wait ms",
        ]);
        for line in &self.lines {
            table.add_row([
                line.fault.to_string(),
                format!("{:.0}", line.throughput),
                format!("{:.2}", line.ratio),
                format!("{:.0}", line.longest),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(
            formatter,
            "PostgreSQL {}, group commit, {} accounts: {} callers of all but two, beside {} of the held account",
            self.postgres, self.accounts, self.callers, self.held_callers
        )?;
        writeln!(formatter, "{table}")?;
        if let Some(killed) = self.killed {
            writeln!(
                formatter,
                "a killed server let sessions in again after {:.0} ms, and the first caller was served {:.0} ms later",
                killed.server, killed.service
            )?;
        }
        write!(
            formatter,
            "every invariant of the bank holds: {} entries were checked",
            self.entries
        )
    }
}
