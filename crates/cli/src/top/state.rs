//! The state of the view and of its user's actions.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use neobank_ops::Section;
use neobank_ops::live::{CountersRow, Rates, SessionRow, Signal, Target};

use super::sample::{BlockingLine, Sample};

/// The number of rates in the small chart; wider than most terminals.
const HISTORY_MAX: usize = 240;

/// The state between two frames.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Server, role and database, for the headline.
    pub(super) server: String,
    pub(super) interval: Duration,
    pub(super) view: View,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    pub(super) is_typing_filter: bool,
    pub(super) is_paused: bool,
    pub(super) is_helping: bool,
    /// The chosen line of each view.
    pub(super) chosen: BTreeMap<View, Chosen>,
    pub(super) confirmation: Option<Confirmation>,
    pub(super) message: Option<Message>,
    pub(super) sample: Option<Sample>,
    /// The reason why the last sample failed; the shown data is older.
    pub(super) problem: Option<String>,
    /// The age of the pending sample.
    pub(super) waiting: Option<Duration>,
    pub(super) rates: Option<Rates>,
    pub(super) commits: VecDeque<u64>,
}

/// One of the three lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum View {
    Sessions,
    Blocking,
    Pools,
}

/// The order of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Transaction,
    Statement,
    State,
    Process,
    User,
    Database,
    Application,
}

/// A chosen line: it is found again by its session, otherwise by its index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) index: usize,
    pub(super) process_id: Option<i32>,
}

/// A signal that awaits confirmation, with the session that the user saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Confirmation {
    pub(super) signal: Signal,
    pub(super) target: Target,
    pub(super) session: SessionRow,
}

/// A message for the user, until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) is_bad: bool,
}

/// Sessions of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) database: Option<String>,
    pub(super) username: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) counts: StateCounts,
    /// The age of their oldest transaction, in milliseconds.
    pub(super) oldest_milliseconds: Option<i64>,
}

/// The number of sessions in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StateCounts {
    pub(super) active: usize,
    pub(super) idle: usize,
    pub(super) in_transaction: usize,
    pub(super) aborted: usize,
    pub(super) other: usize,
    /// Sessions of all states that wait for a lock.
    pub(super) waiting_for_locks: usize,
}

impl StateCounts {
    pub(super) fn add(&mut self, session: &SessionRow) {
        match session.state.as_deref() {
            Some("active" | "fastpath function call") => self.active += 1,
            Some("idle") => self.idle += 1,
            Some("idle in transaction") => self.in_transaction += 1,
            Some("idle in transaction (aborted)") => self.aborted += 1,
            _ => self.other += 1,
        }
        if session.wait_event_type.as_deref() == Some("Lock") {
            self.waiting_for_locks += 1;
        }
    }

    pub(super) const fn all(&self) -> usize {
        self.active + self.idle + self.in_transaction + self.aborted + self.other
    }
}

impl Sort {
    const ALL: [Self; 7] = [
        Self::Transaction,
        Self::Statement,
        Self::State,
        Self::Process,
        Self::User,
        Self::Database,
        Self::Application,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Transaction => "transaction age",
            Self::Statement => "statement age",
            Self::State => "state",
            Self::Process => "process",
            Self::User => "user",
            Self::Database => "database",
            Self::Application => "application",
        }
    }

    /// Returns the next order, or the previous one.
    pub(super) fn step(self, is_forward: bool) -> Self {
        let count = Self::ALL.len();
        let index = Self::ALL
            .iter()
            .position(|one| *one == self)
            .unwrap_or_default();
        let next = if is_forward {
            index + 1
        } else {
            index + count - 1
        };
        Self::ALL[next % count]
    }

    /// Sorts sessions: ages with the oldest first, names in alphabetical order, then by process
    /// identifier.
    fn apply(self, sessions: &mut [&SessionRow]) {
        sessions.sort_by(|one, other| {
            let order = match self {
                Self::Transaction => other
                    .transaction_age_milliseconds
                    .cmp(&one.transaction_age_milliseconds),
                Self::Statement => other
                    .statement_age_milliseconds
                    .cmp(&one.statement_age_milliseconds),
                Self::State => one.state.cmp(&other.state),
                Self::Process => std::cmp::Ordering::Equal,
                Self::User => one.username.cmp(&other.username),
                Self::Database => one.database.cmp(&other.database),
                Self::Application => one.application_name.cmp(&other.application_name),
            };
            order.then(one.process_id.cmp(&other.process_id))
        });
    }
}

impl State {
    pub(super) fn new(server: String, interval: Duration) -> Self {
        Self {
            server,
            interval,
            view: View::Sessions,
            sort: Sort::Transaction,
            is_reversed: false,
            filter: String::new(),
            is_typing_filter: false,
            is_paused: false,
            is_helping: false,
            chosen: BTreeMap::new(),
            confirmation: None,
            message: None,
            sample: None,
            problem: None,
            waiting: None,
            rates: None,
            commits: VecDeque::new(),
        }
    }

    /// Takes a new sample.
    pub(super) fn sampled(&mut self, sample: Sample) {
        self.problem = None;
        self.waiting = None;
        let now = sample.counters.value();
        let earlier = self.counters();
        self.rates = earlier
            .zip(now)
            .and_then(|(earlier, now)| now.since(earlier));
        if let Some(rates) = self.rates {
            self.commits.push_back(rates.commits);
            if self.commits.len() > HISTORY_MAX {
                self.commits.pop_front();
            }
        }
        self.sample = Some(sample);
        self.keep_chosen();
    }

    fn counters(&self) -> Option<&CountersRow> {
        self.sample
            .as_ref()
            .and_then(|sample| sample.counters.value())
    }

    /// Returns every session that the server reported.
    pub(super) fn all_sessions(&self) -> &[SessionRow] {
        let sessions = self
            .sample
            .as_ref()
            .and_then(|sample| sample.sessions.value());
        sessions.map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the shown sessions: filtered and sorted.
    pub(super) fn sessions(&self) -> Vec<&SessionRow> {
        let mut sessions: Vec<_> = self
            .all_sessions()
            .iter()
            .filter(|session| self.fits(&session_text(session)))
            .collect();
        self.sort.apply(&mut sessions);
        if self.is_reversed {
            sessions.reverse();
        }
        sessions
    }

    /// Returns the lines of the blocking tree: a tree is shown whole if one of its lines matches
    /// the filter.
    pub(super) fn blocking(&self) -> Vec<&BlockingLine> {
        let lines = self
            .sample
            .as_ref()
            .and_then(|sample| sample.blocking.value());
        let lines = lines.map(Vec::as_slice).unwrap_or_default();
        lines
            .chunk_by(|_, next| next.depth > 0)
            .filter(|tree| tree.iter().any(|line| self.fits(&line_text(line))))
            .flatten()
            .collect()
    }

    /// Counts the sessions of each pool; the largest first.
    pub(super) fn pools(&self) -> Vec<Pool> {
        let mut pools: BTreeMap<_, Pool> = BTreeMap::new();
        for session in self.sessions() {
            let key = (
                &session.database,
                &session.username,
                &session.application_name,
            );
            let pool = pools.entry(key).or_default();
            pool.counts.add(session);
            pool.oldest_milliseconds = pool
                .oldest_milliseconds
                .max(session.transaction_age_milliseconds);
            pool.database.clone_from(&session.database);
            pool.username.clone_from(&session.username);
            pool.application_name.clone_from(&session.application_name);
        }
        let mut pools: Vec<_> = pools.into_values().collect();
        pools.sort_by_key(|pool| std::cmp::Reverse(pool.counts.all()));
        pools
    }

    /// Counts all sessions by state, regardless of the filter.
    pub(super) fn counts(&self) -> StateCounts {
        let mut counts = StateCounts::default();
        self.all_sessions()
            .iter()
            .for_each(|session| counts.add(session));
        counts
    }

    /// Returns the process identifier of each line in the view.
    pub(super) fn processes(&self) -> Vec<Option<i32>> {
        match self.view {
            View::Sessions => self
                .sessions()
                .iter()
                .map(|one| Some(one.process_id))
                .collect(),
            View::Blocking => self.blocking().iter().map(|line| line.process_id).collect(),
            View::Pools => vec![None; self.pools().len()],
        }
    }

    /// Returns the chosen line's index in the view.
    pub(super) fn chosen_index(&self) -> usize {
        self.chosen.get(&self.view).map_or(0, |chosen| chosen.index)
    }

    /// Returns the session of the chosen line.
    pub(super) fn chosen_session(&self) -> Option<&SessionRow> {
        let process_id = (*self.processes().get(self.chosen_index())?)?;
        self.all_sessions()
            .iter()
            .find(|session| session.process_id == process_id)
    }

    pub(super) fn choose(&mut self, index: usize) {
        let processes = self.processes();
        let index = index.min(processes.len().saturating_sub(1));
        let process_id = processes.get(index).copied().flatten();
        self.chosen.insert(self.view, Chosen { index, process_id });
    }

    /// Keeps the same session chosen when lines move.
    pub(super) fn keep_chosen(&mut self) {
        let chosen = self.chosen.get(&self.view).cloned().unwrap_or_default();
        let processes = self.processes();
        let is_still_there = processes.get(chosen.index) == Some(&chosen.process_id);
        let found = processes
            .iter()
            .position(|process_id| process_id.is_some() && *process_id == chosen.process_id);
        let index = if is_still_there {
            chosen.index
        } else {
            found.unwrap_or(chosen.index)
        };
        self.choose(index);
    }

    /// Returns `true` if the text contains all words of the filter; the text is in lower case.
    fn fits(&self, text: &str) -> bool {
        let filter = self.filter.to_lowercase();
        filter.split_whitespace().all(|word| text.contains(word))
    }

    /// Returns the reason why the view has no data.
    pub(super) fn not_available(&self) -> Option<&str> {
        fn reason<T>(section: &Section<T>) -> Option<&str> {
            section.reason().map(|reason| reason.detail.as_str())
        }
        let sample = self.sample.as_ref()?;
        match self.view {
            View::Sessions | View::Pools => reason(&sample.sessions),
            View::Blocking => reason(&sample.blocking),
        }
    }
}

fn session_text(session: &SessionRow) -> String {
    [
        &Some(session.process_id.to_string()),
        &session.username,
        &session.database,
        &session.application_name,
        &session.client_address,
        &session.state,
        &session.wait_event_type,
        &session.wait_event,
        &session.statement,
    ]
    .map(|part| part.as_deref().unwrap_or_default().to_lowercase())
    .join("\n")
}

fn line_text(line: &BlockingLine) -> String {
    [
        &Some(line.name.clone()),
        &line.username,
        &line.database,
        &line.application_name,
        &line.state,
        &line.lock,
        &line.statement,
    ]
    .map(|part| part.as_deref().unwrap_or_default().to_lowercase())
    .join("\n")
}
