//! The processes of the load, as the bench sees them.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::Signal;
use uuid::Uuid;

use super::clock;
use super::node;
use super::worker::{Command, Status};
use crate::history::{Event, Operation};
use crate::reader::History;

/// The way of a process to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    Pooled,
}

/// The environment of a process of the load.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) way: Way,
    pub(crate) url: String,
    pub(crate) callers: u32,
    pub(crate) seed: u64,
    pub(crate) history: PathBuf,
}

/// A process of the load.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) process: u32,
    pub(crate) plan: Plan,
    child: Child,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    last: Status,
    /// All reports, for the timeline.
    all: Vec<Status>,
}

/// Short limits, so that each call ends within its deadline and a second.
const LIMITS: [(&str, &str); 8] = [
    ("DB_POOL_MAX", "8"),
    ("DB_ACQUIRE_TIMEOUT", "1s"),
    ("DB_CONNECT_TIMEOUT", "1s"),
    ("DB_STATEMENT_TIMEOUT", "2s"),
    ("DB_LOCK_TIMEOUT", "1s"),
    ("DB_IDLE_IN_TRANSACTION_TIMEOUT", "2s"),
    ("DB_COMMIT_TIMEOUT", "2s"),
    ("DB_APPLICATION_NAME", "torture-load"),
];

impl Worker {
    pub(crate) fn start(process: u32, plan: Plan) -> anyhow::Result<Self> {
        let mut program = Program::new(std::env::current_exe()?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DB_") {
                program.env_remove(name);
            }
        }
        let pooler = match plan.way {
            Way::Direct => "none",
            Way::Pooled => "transaction",
        };
        program
            .args(["worker", "--process", &process.to_string()])
            .args(["--callers", &plan.callers.to_string()])
            .args(["--seed", &plan.seed.to_string(), "--history"])
            .arg(&plan.history)
            .env("DATABASE_URL", &plan.url)
            .env("DB_POOLER", pooler)
            .envs(LIMITS)
            .current_dir(&plan.history)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = program
            .spawn()
            .context("cannot start a process of the load")?;
        let output = child.stdout.take().context("no output")?;
        let seen = Arc::<Mutex<Seen>>::default();
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(status) = serde_json::from_str::<Status>(&line) {
                    let mut seen = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.last = status;
                    seen.all.push(status);
                }
            }
        });
        Ok(Self {
            process,
            plan,
            child,
            seen,
        })
    }

    pub(crate) fn send(&mut self, command: &Command) -> anyhow::Result<()> {
        let input = self
            .child
            .stdin
            .as_mut()
            .context("the process has no input")?;
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        input
            .write_all(&line)
            .context("a process of the load has ended")
    }

    pub(crate) fn signal(&self, name: Signal) -> anyhow::Result<()> {
        node::signal(self.child.id(), name)
    }

    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn status(&self) -> Status {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last
    }

    /// Returns its reports so far.
    pub(crate) fn reports(&self) -> Vec<Status> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .all
            .clone()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// All processes of the load.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) workers: Vec<Worker>,
    /// The reports of processes that were killed.
    pub(crate) former: Vec<(Way, Vec<Status>)>,
    next_process: u32,
    history: PathBuf,
    round: u32,
    accounts: Vec<Uuid>,
}

impl Fleet {
    pub(crate) fn start(plans: Vec<Plan>, history: &Path) -> anyhow::Result<Self> {
        let mut fleet = Self {
            workers: Vec::new(),
            former: Vec::new(),
            next_process: 1,
            history: history.to_owned(),
            round: 0,
            accounts: Vec::new(),
        };
        for plan in plans {
            fleet.add(plan)?;
        }
        Ok(fleet)
    }

    fn add(&mut self, plan: Plan) -> anyhow::Result<()> {
        let process = self.next_process;
        self.next_process += 1;
        self.workers.push(Worker::start(process, plan)?);
        Ok(())
    }

    /// Begins a round of load among accounts of its own.
    pub(crate) fn load(&mut self, round: u32, accounts: &[Uuid]) -> anyhow::Result<()> {
        self.round = round;
        self.accounts = accounts.to_vec();
        self.tell(&self.load_command())
    }

    pub(crate) fn tell(&mut self, command: &Command) -> anyhow::Result<()> {
        self.workers
            .iter_mut()
            .try_for_each(|worker| worker.send(command))
    }

    /// Replaces a killed process by one that takes over its unresolved requests.
    pub(crate) fn replace(&mut self, index: usize) -> anyhow::Result<()> {
        let mut killed = self.workers.remove(index);
        killed.kill()?;
        self.former.push((killed.plan.way, killed.reports()));
        let requests = self.unresolved_of(killed.process)?;
        self.add(killed.plan.clone())?;
        let load = self.load_command();
        let successor = self.workers.last_mut().context("no successor")?;
        successor.send(&load)?;
        successor.send(&Command::Inherit { requests })
    }

    /// Returns the reports of all processes, with their ways.
    pub(crate) fn reports(&self) -> super::run::Reports {
        let running = self.workers.iter().map(|one| (one.plan.way, one.reports()));
        self.former.iter().cloned().chain(running).collect()
    }

    fn load_command(&self) -> Command {
        Command::Load {
            round: self.round,
            accounts: self.accounts.clone(),
        }
    }

    fn unresolved_of(
        &self,
        process: u32,
    ) -> anyhow::Result<Vec<(String, crate::history::Request)>> {
        let events = self.history()?.events;
        let mut open = std::collections::BTreeMap::new();
        for event in events {
            match event {
                Event::Sent {
                    call, operation, ..
                } if call.process == process => {
                    open.insert(call, operation);
                }
                Event::Answered { call, answer, .. } if call.process == process => {
                    let unknown = match &answer {
                        crate::history::Answer::Outcome { outcome } => is_unknown(outcome),
                        crate::history::Answer::Outcomes { outcomes } => {
                            outcomes.iter().any(is_unknown)
                        }
                        _ => false,
                    };
                    if !unknown {
                        open.remove(&call);
                    }
                }
                _ => {}
            }
        }
        let mut requests = Vec::new();
        for operation in open.into_values() {
            match operation {
                Operation::Write { key, request } => requests.push((key, request)),
                Operation::Batch { requests: all } => requests.extend(all),
                Operation::ReadBalances { .. } | Operation::ReadEntries { .. } => {}
            }
        }
        Ok(requests)
    }

    /// Reads the history of the round.
    pub(crate) fn history(&self) -> anyhow::Result<History> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&self.history)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with(&format!("{}-", self.round)) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(History::read(&paths)?)
    }

    /// Removes the history of the round, which was checked.
    pub(crate) fn forget_events(&self) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(&self.history)? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// Waits until every process has had a request acknowledged that it sent after a time. Returns
    /// the seconds that this took since then for the slowest, or `None` after the limit.
    pub(crate) async fn served_since(&mut self, since: u64, limit: Duration) -> Option<f64> {
        let deadline = Instant::now() + limit;
        loop {
            let slowest = self.workers.iter().map(|worker| worker.status());
            let is_served =
                |status: &Status| status.round == self.round && status.last_sent >= since;
            if slowest.clone().all(|status| is_served(&status)) {
                return Some(clock::seconds_between(since, clock::now()));
            }
            if Instant::now() > deadline || self.workers.iter_mut().any(|one| !one.is_running()) {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until no request is open.
    pub(crate) async fn settle(&mut self, limit: Duration) -> anyhow::Result<bool> {
        self.tell(&Command::Settle)?;
        let told = clock::now();
        let deadline = Instant::now() + limit;
        loop {
            let is_settled = |status: Status| status.is_settled && status.at > told;
            if self
                .workers
                .iter()
                .all(|worker| is_settled(worker.status()))
            {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

const fn is_unknown(outcome: &crate::history::Outcome) -> bool {
    matches!(outcome, crate::history::Outcome::Unknown { .. })
}
