//! What the callers of a process share.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use neobank_db::Database;
use neobank_domain::Ledger;
use uuid::Uuid;

use super::protocol::{Command, Status};
use super::record::Recorder;
use crate::bench::clock;
use crate::history::{Entry, Movement, Outcome, Request};

/// The most remembered holds, transfers and requests of each kind.
const MEMORY: usize = 200;

pub(crate) struct Shared {
    pub(crate) ledger: Ledger,
    pub(crate) database: Database,
    pub(crate) process: u32,
    pub(crate) recorder: Recorder,
    pub(crate) numbers: AtomicU64,
    pub(crate) keys: AtomicU64,
    pub(crate) drops_calls: AtomicBool,
    pub(crate) running: AtomicU64,
    is_loading: AtomicBool,
    round: AtomicU32,
    state: Mutex<State>,
    counts: Mutex<Status>,
}

/// What further requests are chosen from.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) accounts: Arc<[Uuid]>,
    /// Requests whose outcome is unknown, the longest untried first.
    pub(crate) unresolved: VecDeque<(String, Request)>,
    /// Their keys, and those that are tried at the moment. A later call that executes nothing does
    /// not tell what the earlier one did.
    in_doubt: HashSet<String>,
    /// Holds that may be open, with the movement of a capture.
    pub(crate) holds: Vec<(Uuid, Movement)>,
    /// Posted transfers.
    pub(crate) transfers: Vec<Uuid>,
    /// Acknowledged requests.
    pub(crate) acknowledged: Vec<(String, Request)>,
}

impl Shared {
    pub(crate) fn new(ledger: Ledger, database: Database, process: u32, history: PathBuf) -> Self {
        Self {
            ledger,
            database,
            process,
            recorder: Recorder::new(history, process),
            numbers: AtomicU64::new(0),
            keys: AtomicU64::new(0),
            drops_calls: AtomicBool::new(false),
            running: AtomicU64::new(0),
            is_loading: AtomicBool::new(false),
            round: AtomicU32::new(0),
            state: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    pub(crate) fn obey(&self, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Load { round, accounts } => {
                self.recorder.begin(round)?;
                let mut state = self.state();
                let earlier = std::mem::take(&mut *state);
                *state = State {
                    accounts: accounts.into(),
                    unresolved: earlier.unresolved,
                    in_doubt: earlier.in_doubt,
                    ..State::default()
                };
                self.round.store(round, Ordering::SeqCst);
                self.is_loading.store(true, Ordering::SeqCst);
            }
            Command::Inherit { requests } => {
                let mut state = self.state();
                for (key, request) in requests {
                    state.doubt(&key, &request);
                }
            }
            Command::DropCalls { on } => self.drops_calls.store(on, Ordering::SeqCst),
            Command::Settle => self.is_loading.store(false, Ordering::SeqCst),
        }
        Ok(())
    }

    pub(crate) fn is_loading(&self) -> bool {
        self.is_loading.load(Ordering::SeqCst)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn new_key(&self) -> String {
        let round = self.round.load(Ordering::SeqCst);
        let number = self.keys.fetch_add(1, Ordering::Relaxed);
        format!("{round}-{}-{number}", self.process)
    }

    pub(crate) fn status(&self) -> Status {
        let open = {
            // A caller takes a request and counts itself as running under this lock.
            let state = self.state();
            self.running.load(Ordering::SeqCst) + state.unresolved.len() as u64
        };
        let mut counts = self.counts();
        let status = Status {
            at: clock::now(),
            round: self.round.load(Ordering::SeqCst),
            open,
            is_settled: !self.is_loading() && open == 0,
            ..*counts
        };
        counts.longest = 0;
        status
    }

    /// Counts a call that has ended.
    pub(crate) fn count_time(&self, sent: u64, ended: u64) {
        let duration = ended.saturating_sub(sent);
        let mut counts = self.counts();
        counts.duration_sum += duration;
        counts.longest = counts.longest.max(duration);
    }

    pub(crate) fn count_read(&self) {
        self.counts().reads += 1;
    }

    /// Notes the outcome of a request; one of unknown outcome is repeated later.
    pub(crate) fn note(&self, sent: u64, key: &str, request: &Request, outcome: &Outcome) {
        let mut counts = self.counts();
        match outcome {
            Outcome::Done { .. } => {
                counts.done += 1;
                counts.last_sent = counts.last_sent.max(sent);
            }
            Outcome::Rejected { .. } => counts.rejected += 1,
            Outcome::NotExecuted { .. } => counts.not_executed += 1,
            Outcome::Unknown { .. } => counts.unknown += 1,
        }
        drop(counts);
        let mut state = self.state();
        match outcome {
            Outcome::Done { hold, entries, .. } => {
                state.in_doubt.remove(key);
                state.remember(key, request, *hold, entries);
            }
            Outcome::Rejected { .. } => {
                state.in_doubt.remove(key);
            }
            Outcome::Unknown { .. } => state.doubt(key, request),
            Outcome::NotExecuted { .. } => {
                if state.in_doubt.contains(key) {
                    state.doubt(key, request);
                }
            }
        }
    }

    fn counts(&self) -> MutexGuard<'_, Status> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Has a request repeated until its outcome is known.
    fn doubt(&mut self, key: &str, request: &Request) {
        self.in_doubt.insert(key.to_owned());
        self.unresolved.push_back((key.to_owned(), request.clone()));
    }

    fn remember(&mut self, key: &str, request: &Request, hold: Option<Uuid>, entries: &[Entry]) {
        if let (Request::Hold { movement, .. }, Some(hold)) = (request, hold) {
            keep(&mut self.holds, (hold, *movement));
        }
        if matches!(request, Request::Transfer(_) | Request::Group { .. })
            && let Some(entry) = entries.first()
        {
            keep(&mut self.transfers, entry.transfer);
        }
        keep(&mut self.acknowledged, (key.to_owned(), request.clone()));
    }
}

/// Keeps the newest ones.
fn keep<T>(list: &mut Vec<T>, one: T) {
    if list.len() >= MEMORY {
        list.drain(..MEMORY / 2);
    }
    list.push(one);
}
