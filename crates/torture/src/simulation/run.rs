//! A run of the load in simulated time.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rust_decimal::Decimal;

use super::ledger::Ledger;
use super::load::{Choice, Learned};
use super::{Defect, Settings};
use crate::books::Books;
use crate::history::{Answer, CallId, Entry, Event, Movement, Operation, Outcome, Request};
use crate::reader::History;

/// A load in progress.
pub(super) struct Run {
    random: StdRng,
    ledger: Ledger,
    learned: Learned,
    events: Vec<Event>,
    /// What happens next, by time and order.
    agenda: BTreeMap<(u64, u64), Step>,
    steps: u64,
    now: u64,
    /// The calls that are still to be made.
    calls_left: u32,
    keys: u64,
    /// The number of calls of each caller.
    numbers: BTreeMap<u32, u64>,
    /// The requests of unknown outcome.
    unknown: Vec<(String, Request)>,
    /// The keys that were of unknown outcome once: only an outcome resolves them.
    doubtful: BTreeSet<String>,
    /// True once no faults happen any more.
    is_healed: bool,
}

/// A thing that happens at a time.
enum Step {
    /// A caller makes its next call.
    Begin(u32),
    /// The ledger executes a call.
    Execute(Call),
    /// The ledger ends a transfer whose balances it has read before.
    WriteStale(Call, String, Movement, [Decimal; 2]),
    /// The ledger rolls a transfer back whose entries can be seen.
    RollBack(Call, Vec<Entry>),
    /// The caller gets an answer.
    Answer(CallId, Operation, Answer),
}

/// A call on its way.
#[derive(Clone)]
struct Call {
    id: CallId,
    operation: Operation,
    fate: Fate,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is executed and answered.
    Answered,
    /// It gets lost on its way to the ledger, and the caller does not know.
    RequestLost,
    /// It is executed, and the answer gets lost.
    AnswerLost,
    /// It is executed after the caller has given up.
    Late,
    /// It is executed, and the caller's process ends without an answer.
    Killed,
    /// It is not executed, and the caller knows.
    NotExecuted,
}

impl Run {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut random = StdRng::seed_from_u64(settings.seed);
        let accounts: Vec<_> = (0..settings.accounts)
            .map(|_| {
                let opening = Decimal::from(random.random_range(50..200_u32));
                let least = Decimal::from(random.random_range(0..3_u32) * 10);
                (opening, -least)
            })
            .collect();
        let mut run = Self {
            ledger: Ledger::new(&accounts, settings.defect),
            random,
            learned: Learned::default(),
            events: Vec::new(),
            agenda: BTreeMap::new(),
            steps: 0,
            now: 1,
            calls_left: settings.calls,
            keys: 0,
            numbers: BTreeMap::new(),
            unknown: Vec::new(),
            doubtful: BTreeSet::new(),
            is_healed: false,
        };
        for caller in 0..settings.callers {
            run.later(1, 40, Step::Begin(caller));
        }
        run
    }

    /// Runs the load to its end, and then repeats what is of unknown outcome.
    pub(super) fn finish(mut self) -> (History, Books) {
        self.drain();
        self.is_healed = true;
        for (key, request) in std::mem::take(&mut self.unknown) {
            self.send(0, Operation::Write { key, request });
            self.drain();
        }
        let history = History {
            events: self.events,
            cut_lines: 0,
        };
        (history, self.ledger.books())
    }

    fn drain(&mut self) {
        while let Some(((now, _), step)) = self.agenda.pop_first() {
            self.now = now;
            match step {
                Step::Begin(caller) => self.begin(caller),
                Step::Execute(call) => self.execute(call),
                Step::WriteStale(call, key, movement, read) => {
                    let outcome = match self.ledger.replay(&key) {
                        Some(outcome) => outcome,
                        None => self.ledger.execute_stale(&key, &movement, read),
                    };
                    self.answered(call, Answer::Outcome { outcome });
                }
                Step::RollBack(call, entries) => {
                    self.ledger
                        .uncommitted
                        .retain(|entry| !entries.contains(entry));
                    let kind = "rolled_back".to_owned();
                    let outcome = Outcome::Rejected { kind };
                    self.answered(call, Answer::Outcome { outcome });
                }
                Step::Answer(call, operation, answer) => self.answer(call, &operation, answer),
            }
        }
    }

    fn begin(&mut self, caller: u32) {
        let Some(left) = self.calls_left.checked_sub(1) else {
            return;
        };
        self.calls_left = left;
        let repeats = !self.unknown.is_empty() && self.random.random_bool(0.3);
        let operation = if repeats {
            let chosen = self.random.random_range(0..self.unknown.len());
            let (key, request) = self.unknown.swap_remove(chosen);
            Operation::Write { key, request }
        } else {
            let mut choice = Choice {
                random: &mut self.random,
                ledger: &self.ledger,
                learned: &self.learned,
                keys: &mut self.keys,
            };
            choice.operation()
        };
        self.send(caller, operation);
    }

    fn send(&mut self, caller: u32, operation: Operation) {
        let number = self.numbers.entry(caller).or_default();
        let id = CallId {
            process: caller,
            number: *number,
        };
        *number += 1;
        self.events.push(Event::Sent {
            call: id,
            at: self.now,
            operation: operation.clone(),
        });
        let fate = self.fate();
        let call = Call {
            id,
            operation: operation.clone(),
            fate,
        };
        match fate {
            Fate::Answered | Fate::AnswerLost | Fate::Killed => {
                self.later(1, 40, Step::Execute(call));
            }
            Fate::Late => self.later(60, 200, Step::Execute(call)),
            Fate::RequestLost | Fate::NotExecuted => {}
        }
        match (fate, operation) {
            (Fate::Answered, _) => {}
            (Fate::Killed, operation) => {
                self.keep_unknown(&operation);
                self.later(50, 90, Step::Begin(caller));
            }
            (Fate::NotExecuted, operation) => {
                let outcome = Outcome::NotExecuted {
                    error: "no connection".to_owned(),
                };
                let answer = failed(&operation, outcome);
                self.later(1, 40, Step::Answer(id, operation, answer));
            }
            (_, operation) => {
                let outcome = Outcome::Unknown {
                    error: "the connection was lost".to_owned(),
                };
                let answer = failed(&operation, outcome);
                self.later(42, 59, Step::Answer(id, operation, answer));
            }
        }
    }

    fn fate(&mut self) -> Fate {
        match self.random.random_range(0..100) {
            _ if self.is_healed => Fate::Answered,
            0..3 => Fate::RequestLost,
            3..7 => Fate::AnswerLost,
            7..9 => Fate::Late,
            9..11 => Fate::Killed,
            11..13 => Fate::NotExecuted,
            _ => Fate::Answered,
        }
    }

    fn execute(&mut self, call: Call) {
        let answer = match &call.operation {
            Operation::Write { key, request } => {
                let (key, request) = (key.clone(), request.clone());
                match self.write(&call, &key, &request) {
                    Some(outcome) => Answer::Outcome { outcome },
                    None => return,
                }
            }
            Operation::Batch { requests } => Answer::Outcomes {
                outcomes: requests
                    .iter()
                    .map(|(key, request)| match self.ledger.replay(key) {
                        Some(outcome) => outcome,
                        None => self.ledger.execute(key, request),
                    })
                    .collect(),
            },
            Operation::ReadBalances { accounts } => Answer::Balances {
                balances: self.ledger.read_balances(accounts),
            },
            Operation::ReadEntries { account } => Answer::Entries {
                entries: self.ledger.read_entries(*account),
            },
        };
        self.answered(call, answer);
    }

    /// Executes a request; `None` if the defect of the ledger makes it end later.
    fn write(&mut self, call: &Call, key: &str, request: &Request) -> Option<Outcome> {
        let defect = self.ledger.defect;
        match self.ledger.replay(key) {
            Some(_) if defect == Some(Defect::DoubleApply) => {}
            Some(outcome) => return Some(outcome),
            None => {}
        }
        let Request::Transfer(movement) = request else {
            return Some(self.ledger.execute(key, request));
        };
        let strikes = self.random.random_bool(0.2);
        match defect.filter(|_| strikes) {
            Some(Defect::LostUpdate) => {
                let read = self.ledger.read_balances(&[movement.from, movement.to]);
                let read = [
                    read.first().copied().unwrap_or_default(),
                    read.last().copied().unwrap_or_default(),
                ];
                let step = Step::WriteStale(call.clone(), key.to_owned(), *movement, read);
                self.later(10, 60, step);
                None
            }
            Some(Defect::DirtyRead) => {
                let entries = self.ledger.entries_of(movement);
                self.ledger.uncommitted.extend(&entries);
                self.later(10, 80, Step::RollBack(call.clone(), entries));
                None
            }
            Some(Defect::ForgedAnswer) => Some(Outcome::Done {
                hold: None,
                entries: self.ledger.entries_of(movement),
                is_replay: false,
            }),
            Some(Defect::MissingEntry) => {
                let outcome = self.ledger.execute(key, request);
                self.ledger.forget_credit(&outcome);
                Some(outcome)
            }
            _ => Some(self.ledger.execute(key, request)),
        }
    }

    fn answered(&mut self, call: Call, answer: Answer) {
        if call.fate == Fate::Answered {
            self.later(1, 40, Step::Answer(call.id, call.operation, answer));
        }
    }

    fn answer(&mut self, call: CallId, operation: &Operation, answer: Answer) {
        match (operation, &answer) {
            (Operation::Write { key, request }, Answer::Outcome { outcome }) => {
                self.learn(key, request, outcome);
            }
            (Operation::Batch { requests }, Answer::Outcomes { outcomes }) => {
                for ((key, request), outcome) in requests.iter().zip(outcomes) {
                    self.learn(key, request, outcome);
                }
            }
            _ => {}
        }
        self.events.push(Event::Answered {
            call,
            at: self.now,
            answer,
        });
        self.later(1, 30, Step::Begin(call.process));
    }

    fn learn(&mut self, key: &str, request: &Request, outcome: &Outcome) {
        match outcome {
            Outcome::Done { hold, entries, .. } => {
                if matches!(request, Request::Hold { .. }) {
                    self.learned.holds.extend(hold);
                }
                let transfer = entries.first().map(|entry| entry.transfer);
                self.learned.transfers.extend(transfer);
            }
            Outcome::Unknown { .. } => self.doubt(key, request),
            Outcome::NotExecuted { .. } if self.doubtful.contains(key) => self.doubt(key, request),
            Outcome::Rejected { .. } | Outcome::NotExecuted { .. } => {}
        }
    }

    fn keep_unknown(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { key, request } => self.doubt(key, request),
            Operation::Batch { requests } => {
                for (key, request) in requests {
                    self.doubt(key, request);
                }
            }
            Operation::ReadBalances { .. } | Operation::ReadEntries { .. } => {}
        }
    }

    fn doubt(&mut self, key: &str, request: &Request) {
        self.doubtful.insert(key.to_owned());
        self.unknown.push((key.to_owned(), request.clone()));
    }

    fn later(&mut self, from: u64, to: u64, step: Step) {
        let at = self.now + self.random.random_range(from..=to);
        self.steps += 1;
        self.agenda.insert((at, self.steps), step);
    }
}

/// Returns the answer to a call that failed.
fn failed(operation: &Operation, outcome: Outcome) -> Answer {
    match operation {
        Operation::Write { .. } => Answer::Outcome { outcome },
        Operation::Batch { requests } => Answer::Outcomes {
            outcomes: vec![outcome; requests.len()],
        },
        Operation::ReadBalances { .. } | Operation::ReadEntries { .. } => Answer::ReadFailed {
            error: "the connection was lost".to_owned(),
        },
    }
}
