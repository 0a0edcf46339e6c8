//! The queue of submissions, and the choice of the next batch.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use neobank_db::DatabaseError;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::super::actor::Actor;
use super::super::engine::Engine;
use super::super::error::LedgerError;
use super::super::receipt::Outcome;
use super::super::request::Request;
use super::cost_model::CostModel;
use super::metrics::{Counts, GroupCommitMetrics};
use super::options::GroupCommitOptions;
use super::set_aside::SetAside;
use super::submission::Submission;
use super::watch::Watch;
use super::worker::Worker;
use crate::AccountId;

/// The submissions in the order of their arrival. A worker starts when one arrives, and ends when
/// none is left.
pub(in super::super) struct Queue {
    pub(super) engine: Engine,
    pub(super) options: GroupCommitOptions,
    /// The permits of watches that wait for a lock, each on a connection of its own.
    pub(super) watches: Semaphore,
    /// The permits of batches that may be detached.
    detachments: Arc<Semaphore>,
    /// The secret from which the keys of batch locks are derived, so that no other session can
    /// predict one.
    secret: [u8; 32],
    state: Mutex<State>,
    pub(super) counts: Counts,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Submission>,
    workers: usize,
    /// The accounts of the batches in flight, each with the number of the last batch that uses it.
    /// Another worker would only wait for their locks.
    busy: HashMap<AccountId, u64>,
    in_flight: HashMap<u64, InFlight>,
    batches: u64,
    cost_model: CostModel,
    set_aside: SetAside,
}

/// A batch that a worker executes.
struct InFlight {
    size: usize,
    /// True while its statement is in flight, so that a successor can be decided on its state.
    is_sent: bool,
    /// The number of the successor, and the sender whose drop signals to it that this batch has
    /// ended.
    successor: Option<(u64, oneshot::Sender<()>)>,
    /// True until its predecessor has ended.
    has_predecessor: bool,
}

/// A batch that a worker has taken, with its accounts. Until the worker takes its next batch, only
/// a successor of this batch may use them.
pub(super) struct Taken {
    pub(super) number: u64,
    pub(super) submissions: Vec<Submission>,
    pub(super) accounts: Vec<AccountId>,
    pub(super) predecessor: Option<Predecessor>,
}

/// The batch behind which another one is pipelined.
pub(super) struct Predecessor {
    pub(super) batch: u64,
    /// The other end is dropped when the batch has ended.
    pub(super) ended: oneshot::Receiver<()>,
}

/// A detached batch: its worker no longer waits for it.
pub(super) struct Detached {
    watch: Watch,
    busy: BusyAccounts,
    permit: OwnedSemaphorePermit,
}

impl Detached {
    /// Waits for the end of the batch.
    pub(super) async fn finish(self, batch: impl Future<Output = ()> + Send) {
        self.watch.batch(self.busy, batch).await;
        drop(self.permit);
    }
}

/// The accounts of a worker's batch, which become free when the batch has ended.
pub(super) struct BusyAccounts {
    pub(super) batch: u64,
    pub(super) accounts: Vec<AccountId>,
}

impl Queue {
    pub(in super::super) fn new(engine: &Engine, options: GroupCommitOptions) -> Self {
        // The deadline of one caller does not apply to the others in its batch.
        let engine = engine.without_deadline();
        // The workers and other users of the pool need connections too.
        let connections = engine.database.config().pool_max;
        Self {
            watches: Semaphore::new((connections / 4).max(1)),
            detachments: Arc::new(Semaphore::new(connections / 2)),
            engine,
            options,
            secret: secret(),
            state: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Executes a request in a batch with those of other callers.
    ///
    /// # Errors
    ///
    /// As [`Ledger::submit`](super::super::Ledger::submit).
    pub(in super::super) async fn submit(
        self: &Arc<Self>,
        request: Request,
        actor: Option<Actor>,
        deadline: Option<Instant>,
    ) -> Result<Outcome, LedgerError> {
        let (submission, waiter) = Submission::new(request, actor, deadline, &self.counts);
        self.enter(submission)?;
        waiter.answer().await
    }

    /// Adds a submission at the end, and starts a worker if the submission needs one.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Overloaded`]; [`LedgerError::Stopped`] outside of a runtime.
    fn enter(self: &Arc<Self>, submission: Submission) -> Result<(), LedgerError> {
        let runtime = Handle::try_current().map_err(|_| LedgerError::Stopped)?;
        let mut state = self.state();
        let limit = self.options.waiting_max;
        if let Some(hold) = state.set_aside.of(&submission) {
            let waiting = state.set_aside.waiting();
            if waiting < limit {
                state.set_aside.push(hold, submission, Instant::now());
                self.counts.set_aside(1);
                return Ok(());
            }
            drop(state);
            submission.close();
            self.counts.overloaded();
            return Err(LedgerError::Overloaded { waiting, limit });
        }
        // This reads the whole queue, so only when it is full and a caller has withdrawn.
        if state.waiting.len() >= limit && self.counts.forget_withdrawn() {
            state.waiting.retain(|submission| !submission.is_over());
        }
        let waiting = state.waiting.len();
        if waiting >= limit {
            drop(state);
            submission.close();
            self.counts.overloaded();
            return Err(LedgerError::Overloaded { waiting, limit });
        }
        let starts = state.workers == 0
            || (state.workers < self.options.workers && state.has_work_in(&submission, waiting));
        state.waiting.push_back(submission);
        if starts {
            state.workers = state.workers.saturating_add(1);
        }
        drop(state);
        if starts {
            // Not under the lock: a runtime that shuts down drops the worker at once.
            drop(runtime.spawn(Worker::new(Arc::clone(self)).drive()));
        }
        Ok(())
    }

    /// Returns a worker's next batch; on `None` the worker ends and is no longer counted.
    ///
    /// The batch has the submissions in the order of their arrival. A submission for a busy account
    /// waits, and so does every later one that shares an account with it, so the requests of an
    /// account are executed in order. If all submissions wait for accounts of one batch whose
    /// statement is in flight, and they are many enough, they become its successor.
    ///
    /// `ended` is the worker's last batch. Its accounts become free only now: a worker that started
    /// before would take the few submissions that come first, and the others would wait for two
    /// batches.
    pub(super) fn take(&self, ended: Option<BusyAccounts>) -> Option<Taken> {
        let mut state = self.state();
        if let Some(ended) = ended {
            state.release(&ended);
        }
        let most = self
            .options
            .batch_size_max
            .min(state.share(self.options.workers));
        let Selected {
            submissions,
            passed,
            predecessor_batch,
        } = state.select(most);
        for submission in passed.into_iter().rev() {
            state.waiting.push_front(submission);
        }
        if submissions.is_empty() {
            state.workers = state.workers.saturating_sub(1);
            return None;
        }
        if predecessor_batch.is_some() {
            self.counts.pipelined();
        }
        Some(state.begin(submissions, predecessor_batch))
    }

    /// Returns the key of the advisory lock that a batch's statement holds.
    ///
    /// Every role that may connect can see and take advisory locks. With a predictable key, it
    /// could take the lock before the batch does.
    pub(super) fn batch_lock(&self, batch: u64) -> i64 {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(batch.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(digest.first_chunk::<8>().unwrap_or(&[0; 8]));
        i64::from_be_bytes(first)
    }

    /// Notes that a batch's statement is in flight, and starts a worker for a successor if enough
    /// submissions wait for one.
    pub(super) fn in_flight(self: &Arc<Self>, batch: u64) {
        let mut state = self.state();
        let Some(in_flight) = state.in_flight.get_mut(&batch) else {
            return;
        };
        in_flight.is_sent = true;
        let starts = state.workers < self.options.workers
            && state
                .waiting
                .front()
                .is_some_and(|submission| state.has_work_in(submission, state.waiting.len()));
        let runtime = Handle::try_current();
        if let (true, Ok(runtime)) = (starts, runtime) {
            state.workers = state.workers.saturating_add(1);
            drop(state);
            drop(runtime.spawn(Worker::new(Arc::clone(self)).drive()));
        }
    }

    /// Returns the number of a batch that a watch executes.
    pub(super) fn new_batch(&self) -> u64 {
        let mut state = self.state();
        state.batches = state.batches.wrapping_add(1);
        state.batches
    }

    /// Sets submissions aside, each with the account that another session has locked.
    pub(super) fn set_aside_by_account(
        self: &Arc<Self>,
        requests: Vec<(Submission, AccountId)>,
        error: &DatabaseError,
    ) {
        self.counts.set_aside(requests.len());
        let mut watched = Vec::new();
        {
            let mut state = self.state();
            for (submission, account) in requests {
                submission.give_back(&self.counts);
                let hold = state.set_aside.of_account(account).unwrap_or_else(|| {
                    let hold = state.set_aside.hold_accounts(&[account]);
                    watched.push((account, hold));
                    hold
                });
                state.set_aside.push(hold, submission, Instant::now());
            }
        }
        for (account, hold) in watched {
            let watch = Watch::new(Arc::clone(self), hold);
            drop(tokio::spawn(watch.account(account, error.clone())));
        }
    }

    /// Sets a submission aside that waits for its key or for another unknown resource. A watch
    /// retries it.
    pub(super) fn set_aside_by_key(
        self: &Arc<Self>,
        submission: Submission,
        error: &DatabaseError,
    ) {
        self.counts.set_aside(1);
        submission.give_back(&self.counts);
        let hold = {
            let mut state = self.state();
            let hold = state
                .set_aside
                .hold_key(submission.request().idempotency_key());
            let behind = hold.or_else(|| state.set_aside.of(&submission));
            // The key's hold is this one or an older one.
            state
                .set_aside
                .push(behind.unwrap_or_default(), submission, Instant::now());
            hold
        };
        if let Some(hold) = hold {
            let watch = Watch::new(Arc::clone(self), hold);
            drop(tokio::spawn(watch.requests(error.clone())));
        }
    }

    /// Takes the first submission behind a hold.
    pub(super) fn next_behind(&self, hold: u64) -> Option<Submission> {
        self.state().set_aside.pop(hold)
    }

    /// Returns a submission to the front behind a hold.
    pub(super) fn put_back_first(&self, hold: u64, submission: Submission) {
        submission.give_back(&self.counts);
        self.state().set_aside.push_first(hold, submission);
    }

    /// Answers the submissions behind a hold that have waited for `longest`; see
    /// [`SetAside::expire`].
    pub(super) fn expire(&self, hold: u64, longest: Duration, error: &DatabaseError) -> bool {
        self.state().set_aside.expire(hold, longest, error)
    }

    /// Ends a hold. The submissions behind it return to the front of the queue.
    pub(super) fn end_hold(self: &Arc<Self>, hold: u64) {
        let mut state = self.state();
        let submissions = state.set_aside.end(hold);
        let starts = !submissions.is_empty() && state.workers < self.options.workers;
        for submission in submissions.into_iter().rev() {
            state.waiting.push_front(submission);
        }
        if starts {
            state.workers = state.workers.saturating_add(1);
        }
        drop(state);
        if starts {
            drop(tokio::spawn(Worker::new(Arc::clone(self)).drive()));
        }
    }

    /// Ends a hold without a watch, and returns the submissions behind it.
    pub(super) fn abandon_hold(&self, hold: u64) -> VecDeque<Submission> {
        self.state().set_aside.end(hold)
    }

    /// Detaches a batch that has not ended, if a permit is free. Submissions for its accounts are
    /// set aside. Without a permit, it returns the batch.
    pub(super) fn detach(self: &Arc<Self>, busy: BusyAccounts) -> Result<Detached, BusyAccounts> {
        let Ok(permit) = Arc::clone(&self.detachments).try_acquire_owned() else {
            return Err(busy);
        };
        self.counts.detached();
        let mut state = self.state();
        if let Some(in_flight) = state.in_flight.get_mut(&busy.batch) {
            in_flight.is_sent = false;
        }
        let hold = state.set_aside.hold_accounts(&busy.accounts);
        drop(state);
        Ok(Detached {
            watch: Watch::new(Arc::clone(self), hold),
            busy,
            permit,
        })
    }

    /// Frees the accounts of a batch that has ended.
    pub(super) fn release(&self, ended: &BusyAccounts) {
        self.state().release(ended);
    }

    /// Notes that a batch's statement failed, so that no successor may be decided on its state.
    pub(super) fn not_in_flight(&self, batch: u64) {
        if let Some(in_flight) = self.state().in_flight.get_mut(&batch) {
            in_flight.is_sent = false;
        }
    }

    /// Notes the times of a batch's statement; see [`CostModel`].
    pub(super) fn done(&self, size: usize, is_successor: bool, writing: Duration, rest: Duration) {
        self.state()
            .cost_model
            .note(size, is_successor, writing, rest);
    }

    /// Removes a worker that was dropped before its end, because its runtime is shutting down.
    /// Dropping the waiting submissions answers their callers. The next caller starts a worker in
    /// its own runtime.
    pub(super) fn abandon_worker(&self, ended: Option<BusyAccounts>) {
        let waiting = {
            let mut state = self.state();
            if let Some(ended) = ended {
                state.release(&ended);
            }
            state.workers = state.workers.saturating_sub(1);
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }

    pub(in super::super) fn metrics(&self) -> GroupCommitMetrics {
        let (waiting, set_aside, workers) = {
            let state = self.state();
            (
                state.waiting.len(),
                state.set_aside.waiting(),
                state.workers,
            )
        };
        self.counts.metrics(waiting, set_aside, workers)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of [`State::select`].
struct Selected {
    submissions: Vec<Submission>,
    /// The other submissions up to the last selected one, in their order.
    passed: Vec<Submission>,
    /// The predecessor of the selected batch.
    predecessor_batch: Option<u64>,
}

/// The batches in flight that a submission waits for.
enum Wait {
    /// It can be executed now.
    Free,
    /// It waits for one batch, and may be part of that batch's successor.
    Successor(u64),
    /// It waits until a batch has ended.
    Others,
}

/// Returns a secret from a cryptographic random source: each identifier has at least 62 random
/// bits.
fn secret() -> [u8; 32] {
    let mut hash = Sha256::new();
    for _ in 0..4 {
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    hash.finalize().into()
}

impl State {
    fn release(&mut self, ended: &BusyAccounts) {
        for account in &ended.accounts {
            if self.busy.get(account) == Some(&ended.batch) {
                self.busy.remove(account);
            }
        }
        let successor = self.in_flight.remove(&ended.batch);
        if let Some((successor, _)) = successor.and_then(|batch| batch.successor)
            && let Some(successor) = self.in_flight.get_mut(&successor)
        {
            successor.has_predecessor = false;
        }
    }

    /// Registers a batch, and returns it.
    fn begin(&mut self, submissions: Vec<Submission>, predecessor_batch: Option<u64>) -> Taken {
        self.batches = self.batches.wrapping_add(1);
        let number = self.batches;
        let accounts: HashSet<_> = submissions
            .iter()
            .flat_map(|submission| submission.accounts().iter().copied())
            .collect();
        for account in &accounts {
            self.busy.insert(*account, number);
        }
        let predecessor = predecessor_batch.and_then(|predecessor_batch| {
            let (sender, receiver) = oneshot::channel();
            self.in_flight.get_mut(&predecessor_batch)?.successor = Some((number, sender));
            Some(Predecessor {
                batch: predecessor_batch,
                ended: receiver,
            })
        });
        let in_flight = InFlight {
            size: submissions.len(),
            is_sent: false,
            successor: None,
            has_predecessor: predecessor.is_some(),
        };
        self.in_flight.insert(number, in_flight);
        Taken {
            number,
            submissions,
            accounts: accounts.into_iter().collect(),
            predecessor,
        }
    }

    /// Selects the next batch: the submissions that can be executed now, or else all that may be
    /// the successor of one batch, if they are enough.
    fn select(&mut self, most: usize) -> Selected {
        let (mut free, mut successors, mut passed) = (Vec::new(), Vec::new(), Vec::new());
        let mut predecessor_batch = None;
        // The accounts of submissions that are passed over, in general and by a successor.
        let (mut behind, mut behind_others) = (HashSet::new(), HashSet::new());
        for number in 0_usize.. {
            if free.len() >= most || (free.is_empty() && successors.len() >= most) {
                break;
            }
            let Some(submission) = self.waiting.pop_front() else {
                break;
            };
            if submission.is_over() {
                continue;
            }
            if let Some(hold) = self.set_aside.of(&submission) {
                self.set_aside.push(hold, submission, Instant::now());
                continue;
            }
            let accounts = submission.accounts();
            let is_behind = |set: &HashSet<AccountId>| accounts.iter().any(|one| set.contains(one));
            match self.wait(accounts) {
                _ if is_behind(&behind_others) => {
                    behind.extend(accounts);
                    behind_others.extend(accounts);
                    passed.push((number, submission));
                }
                Wait::Free if !is_behind(&behind) => free.push((number, submission)),
                Wait::Free => {
                    behind.extend(accounts);
                    successors.push((number, submission));
                }
                Wait::Successor(batch)
                    if predecessor_batch
                        .is_none_or(|predecessor_batch| predecessor_batch == batch) =>
                {
                    predecessor_batch = Some(batch);
                    behind.extend(accounts);
                    successors.push((number, submission));
                }
                Wait::Successor(_) | Wait::Others => {
                    behind.extend(accounts);
                    behind_others.extend(accounts);
                    passed.push((number, submission));
                }
            }
        }
        let selected_predecessor = predecessor_batch.filter(|predecessor_batch| {
            free.is_empty() && successors.len() >= self.least_behind(*predecessor_batch)
        });
        let submissions = if selected_predecessor.is_some() {
            successors
        } else {
            passed.append(&mut successors);
            passed.sort_unstable_by_key(|(number, _)| *number);
            free
        };
        let without_number = |submissions: Vec<(usize, Submission)>| {
            submissions.into_iter().map(|(_, submission)| submission)
        };
        Selected {
            submissions: without_number(submissions).collect(),
            passed: without_number(passed).collect(),
            predecessor_batch: selected_predecessor,
        }
    }

    fn wait(&self, accounts: &[AccountId]) -> Wait {
        let mut batches = accounts.iter().filter_map(|account| self.busy.get(account));
        let Some(first) = batches.next() else {
            return Wait::Free;
        };
        if batches.all(|batch| batch == first) && self.may_have_a_successor(*first) {
            Wait::Successor(*first)
        } else {
            Wait::Others
        }
    }

    fn may_have_a_successor(&self, batch: u64) -> bool {
        self.in_flight.get(&batch).is_some_and(|batch| {
            batch.is_sent && batch.successor.is_none() && !batch.has_predecessor
        })
    }

    /// Returns true when another worker could execute the submission, with so many waiting before
    /// it.
    fn has_work_in(&self, submission: &Submission, waiting: usize) -> bool {
        match self.wait(submission.accounts()) {
            Wait::Free => true,
            Wait::Successor(batch) => waiting >= self.least_behind(batch),
            Wait::Others => false,
        }
    }

    /// Returns the least size of a batch's successor; fewer submissions wait until the batch has
    /// ended.
    fn least_behind(&self, batch: u64) -> usize {
        let least = self.cost_model.least();
        let half = self.in_flight.get(&batch).map_or(0, |batch| batch.size / 2);
        least.max(half)
    }

    /// Returns the most submissions for one worker: half of all, if that leaves enough for a
    /// successor or for another worker.
    fn share(&self, workers: usize) -> usize {
        let in_flight = self.in_flight.values().map(|batch| batch.size);
        let all = in_flight.fold(self.waiting.len(), usize::saturating_add);
        let half = all.div_ceil(2);
        if workers < 2 || half < self.cost_model.least() {
            return usize::MAX;
        }
        half
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Queue")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
