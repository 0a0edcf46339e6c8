//! Where requests wait, and who drives them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use neobank_db::DatabaseError;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::super::engine::Engine;
use super::super::error::LedgerError;
use super::super::receipt::Outcome;
use super::super::request::Request;
use super::apart::Apart;
use super::cost_model::CostModel;
use super::metrics::{Counts, GroupCommitMetrics};
use super::options::GroupCommitOptions;
use super::submission::{Place, Submission};
use super::watch::Watch;
use super::worker::Worker;
use crate::AccountId;

/// Requests in the order of their arrival. A worker is started when one arrives and ends when none is left.
pub(in super::super) struct Queue {
    pub(super) engine: Engine,
    pub(super) options: GroupCommitOptions,
    /// Waits for locks that may each have a connection, on behalf of requests that are set apart.
    pub(super) watches: Semaphore,
    /// Groups that may be left to themselves.
    leaves: Arc<Semaphore>,
    /// What the batch locks of this queue's groups are made from: nobody else can tell one before it is taken.
    secret: [u8; 32],
    state: Mutex<State>,
    pub(super) counts: Counts,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Place>,
    workers: usize,
    /// The accounts of the groups that are under way, and by which: another worker would only wait for their locks.
    busy: HashMap<AccountId, u64>,
    under_way: HashMap<u64, UnderWay>,
    groups: u64,
    cost_model: CostModel,
    apart: Apart,
}

/// A group that a worker is carrying out.
struct UnderWay {
    size: usize,
    /// Its statement is on its way, so that another group can be decided on what it leaves.
    sent: bool,
    /// The one that follows it, and what tells that one, by being dropped, that this one has ended.
    successor: Option<(u64, oneshot::Sender<()>)>,
    /// The one that it follows has not ended.
    follows: bool,
}

/// Requests that one worker carries out together, and their accounts: nobody else takes requests for them until this worker
/// takes its next group, unless it follows this one.
pub(super) struct Taken {
    pub(super) number: u64,
    pub(super) places: Vec<Place>,
    pub(super) accounts: Vec<AccountId>,
    pub(super) predecessor: Option<Predecessor>,
}

/// The group that another one follows.
pub(super) struct Predecessor {
    pub(super) group: u64,
    /// Is dropped by the other end when that group has ended.
    pub(super) ended: oneshot::Receiver<()>,
}

/// A group that is left to itself.
pub(super) struct Left {
    watch: Watch,
    over: Over,
    permit: OwnedSemaphorePermit,
}

impl Left {
    /// Waits for its end.
    pub(super) async fn go_on(self, group: impl Future<Output = ()> + Send) {
        self.watch.group(self.over, group).await;
        drop(self.permit);
    }
}

/// The worker's group that has ended.
pub(super) struct Over {
    pub(super) group: u64,
    pub(super) accounts: Vec<AccountId>,
}

impl Queue {
    pub(in super::super) fn new(engine: &Engine, options: GroupCommitOptions) -> Self {
        // One caller's deadline is not that of the others in its group.
        let engine = engine.without_deadline();
        // The workers, and whoever else uses the pool, keep theirs.
        let connections = engine.database.config().pool_max;
        Self {
            watches: Semaphore::new((connections / 4).max(1)),
            leaves: Arc::new(Semaphore::new(connections / 2)),
            engine,
            options,
            secret: secret(),
            state: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Executes a request in a group with those of other callers.
    ///
    /// # Errors
    ///
    /// As [`Ledger::submit`](super::super::Ledger::submit).
    pub(in super::super) async fn submit(
        self: &Arc<Self>,
        request: Request,
        deadline: Option<Instant>,
    ) -> Result<Outcome, LedgerError> {
        let (place, waiter) = Submission::enlist(request, deadline, &self.counts);
        self.enter(place)?;
        waiter.answer().await
    }

    /// Puts a request at the end, and starts a worker if one may be started.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Overloaded`]; [`LedgerError::Stopped`] outside of a runtime.
    fn enter(self: &Arc<Self>, place: Place) -> Result<(), LedgerError> {
        let runtime = Handle::try_current().map_err(|_| LedgerError::Stopped)?;
        let mut state = self.state();
        let limit = self.options.waiting_max;
        if let Some(hold) = state.apart.of(&place) {
            let waiting = state.apart.waiting();
            if waiting < limit {
                state.apart.push(hold, place, Instant::now());
                self.counts.apart(1);
                return Ok(());
            }
            drop(state);
            place.close();
            self.counts.overloaded();
            return Err(LedgerError::Overloaded { waiting, limit });
        }
        // Reads the whole queue, so only when it is full and there is something to gain.
        if state.waiting.len() >= limit && self.counts.forget_withdrawn() {
            state.waiting.retain(|place| !place.is_over());
        }
        let waiting = state.waiting.len();
        if waiting >= limit {
            drop(state);
            place.close();
            self.counts.overloaded();
            return Err(LedgerError::Overloaded { waiting, limit });
        }
        let starts = state.workers == 0
            || (state.workers < self.options.workers && state.has_work_in(&place, waiting));
        state.waiting.push_back(place);
        if starts {
            state.workers = state.workers.saturating_add(1);
        }
        drop(state);
        if starts {
            // Not under the lock: a runtime that shuts down drops the worker here and now.
            drop(runtime.spawn(Worker::new(Arc::clone(self)).drive()));
        }
        Ok(())
    }

    /// The next group; or `None`, and then the worker that asked counts no longer.
    ///
    /// Those first that came first, but for accounts that are busy: a request for one of them waits, and so do those behind
    /// it that share an account with it. So the requests of an account are carried out in the order of their arrival. When
    /// all wait for accounts of one group whose statement is on its way, and they are many, they follow it.
    ///
    /// `over` is the worker's last group. Its accounts become free only now: a worker that started in between would
    /// take the few who ask for them first, and the others would wait for two groups.
    pub(super) fn take(&self, over: Option<Over>) -> Option<Taken> {
        let mut state = self.state();
        if let Some(over) = over {
            state.release(&over);
        }
        let most = self
            .options
            .group_size_max
            .min(state.share(self.options.workers));
        let Selected {
            places,
            passed,
            predecessor_group,
        } = state.select(most);
        for place in passed.into_iter().rev() {
            state.waiting.push_front(place);
        }
        if places.is_empty() {
            state.workers = state.workers.saturating_sub(1);
            return None;
        }
        if predecessor_group.is_some() {
            self.counts.pipelined();
        }
        Some(state.begin(places, predecessor_group))
    }

    /// The key of the advisory lock that a group's statement holds.
    ///
    /// Any role that may connect can see and take such locks, so a key that followed from another one could be taken
    /// before its group.
    pub(super) fn batch_lock(&self, group: u64) -> i64 {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(group.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(digest.first_chunk::<8>().unwrap_or(&[0; 8]));
        i64::from_be_bytes(first)
    }

    /// A group's statement is on its way; whoever waits for its accounts may follow it.
    pub(super) fn sent(self: &Arc<Self>, group: u64) {
        let mut state = self.state();
        let Some(under_way) = state.under_way.get_mut(&group) else {
            return;
        };
        under_way.sent = true;
        let starts = state.workers < self.options.workers
            && state
                .waiting
                .front()
                .is_some_and(|place| state.has_work_in(place, state.waiting.len()));
        let runtime = Handle::try_current();
        if let (true, Ok(runtime)) = (starts, runtime) {
            state.workers = state.workers.saturating_add(1);
            drop(state);
            drop(runtime.spawn(Worker::new(Arc::clone(self)).drive()));
        }
    }

    /// The number of a group that is no worker's.
    pub(super) fn new_group(&self) -> u64 {
        let mut state = self.state();
        state.groups = state.groups.wrapping_add(1);
        state.groups
    }

    /// Requests with an account each that somebody else has locked: they wait for it by themselves.
    pub(super) fn set_apart_by_account(
        self: &Arc<Self>,
        requests: Vec<(Place, AccountId)>,
        error: &DatabaseError,
    ) {
        self.counts.apart(requests.len());
        let mut watched = Vec::new();
        {
            let mut state = self.state();
            for (place, account) in requests {
                place.give_back(&self.counts);
                let hold = state.apart.of_account(account).unwrap_or_else(|| {
                    let hold = state.apart.hold_accounts(&[account]);
                    watched.push((account, hold));
                    hold
                });
                state.apart.push(hold, place, Instant::now());
            }
        }
        for (account, hold) in watched {
            let watch = Watch::new(Arc::clone(self), hold);
            drop(tokio::spawn(watch.account(account, error.clone())));
        }
    }

    /// A request that waits for something else than an account: it is tried by itself until that is over.
    pub(super) fn set_apart_by_key(self: &Arc<Self>, place: Place, error: &DatabaseError) {
        self.counts.apart(1);
        place.give_back(&self.counts);
        let hold = {
            let mut state = self.state();
            let hold = state.apart.hold_key(place.request().idempotency_key());
            let behind = hold.or_else(|| state.apart.of(&place));
            // It is held, by the one or the other.
            state
                .apart
                .push(behind.unwrap_or_default(), place, Instant::now());
            hold
        };
        if let Some(hold) = hold {
            let watch = Watch::new(Arc::clone(self), hold);
            drop(tokio::spawn(watch.requests(error.clone())));
        }
    }

    /// The first request behind a hold.
    pub(super) fn next_behind(&self, hold: u64) -> Option<Place> {
        self.state().apart.pop(hold)
    }

    /// A request that was the first behind a hold is so again.
    pub(super) fn put_back_first(&self, hold: u64, place: Place) {
        place.give_back(&self.counts);
        self.state().apart.push_first(hold, place);
    }

    /// Answers those behind a hold who have waited long enough; see [`Apart::expire`].
    pub(super) fn expire(&self, hold: u64, longest: Duration, error: &DatabaseError) -> bool {
        self.state().apart.expire(hold, longest, error)
    }

    /// What was held is free: those who waited for it come first.
    pub(super) fn end_hold(self: &Arc<Self>, hold: u64) {
        let mut state = self.state();
        let places = state.apart.end(hold);
        let starts = !places.is_empty() && state.workers < self.options.workers;
        for place in places.into_iter().rev() {
            state.waiting.push_front(place);
        }
        if starts {
            state.workers = state.workers.saturating_add(1);
        }
        drop(state);
        if starts {
            drop(tokio::spawn(Worker::new(Arc::clone(self)).drive()));
        }
    }

    /// Those behind a hold that nobody watches any more.
    pub(super) fn abandon_hold(&self, hold: u64) -> VecDeque<Place> {
        self.state().apart.end(hold)
    }

    /// A group that does not end is left to itself, if another one may be: requests for its accounts are set apart.
    pub(super) fn leave(self: &Arc<Self>, over: Over) -> Result<Left, Over> {
        let Ok(permit) = Arc::clone(&self.leaves).try_acquire_owned() else {
            return Err(over);
        };
        self.counts.left();
        let mut state = self.state();
        if let Some(under_way) = state.under_way.get_mut(&over.group) {
            under_way.sent = false;
        }
        let hold = state.apart.hold_accounts(&over.accounts);
        drop(state);
        Ok(Left {
            watch: Watch::new(Arc::clone(self), hold),
            over,
            permit,
        })
    }

    /// A group has ended.
    pub(super) fn release(&self, over: &Over) {
        self.state().release(over);
    }

    /// What a group's statement would have left is no longer to be relied on.
    pub(super) fn unsent(&self, group: u64) {
        if let Some(under_way) = self.state().under_way.get_mut(&group) {
            under_way.sent = false;
        }
    }

    /// How long a group's statement took; see [`CostModel`].
    pub(super) fn took(&self, size: usize, follows: bool, writing: Duration, rest: Duration) {
        self.state().cost_model.note(size, follows, writing, rest);
    }

    /// A worker was dropped before its end, so its runtime is shutting down. Those who wait are told as their places are
    /// dropped; whoever comes next starts a worker where it runs itself.
    pub(super) fn abandon_worker(&self, over: Option<Over>) {
        let waiting = {
            let mut state = self.state();
            if let Some(over) = over {
                state.release(&over);
            }
            state.workers = state.workers.saturating_sub(1);
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }

    pub(in super::super) fn metrics(&self) -> GroupCommitMetrics {
        let (waiting, apart, workers) = {
            let state = self.state();
            (state.waiting.len(), state.apart.waiting(), state.workers)
        };
        self.counts.metrics(waiting, apart, workers)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`State::select`] found.
struct Selected {
    places: Vec<Place>,
    /// The others that it looked at, in their order.
    passed: Vec<Place>,
    /// The group that the places follow.
    predecessor_group: Option<u64>,
}

/// Whom a request waits for.
enum Wait {
    Nobody,
    /// Only for a group that it may follow.
    Successor(u64),
    Others,
}

/// From a cryptographic source of random numbers: each identifier has 62 bits or more of it.
fn secret() -> [u8; 32] {
    let mut hash = Sha256::new();
    for _ in 0..4 {
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    hash.finalize().into()
}

impl State {
    fn release(&mut self, over: &Over) {
        for account in &over.accounts {
            if self.busy.get(account) == Some(&over.group) {
                self.busy.remove(account);
            }
        }
        let successor = self.under_way.remove(&over.group);
        if let Some((successor, _)) = successor.and_then(|group| group.successor)
            && let Some(successor) = self.under_way.get_mut(&successor)
        {
            successor.follows = false;
        }
    }

    /// Registers a group.
    fn begin(&mut self, places: Vec<Place>, predecessor_group: Option<u64>) -> Taken {
        self.groups = self.groups.wrapping_add(1);
        let number = self.groups;
        let accounts: HashSet<_> = places
            .iter()
            .flat_map(|place| place.request().accounts())
            .collect();
        for account in &accounts {
            self.busy.insert(*account, number);
        }
        let predecessor = predecessor_group.and_then(|predecessor_group| {
            let (sender, receiver) = oneshot::channel();
            self.under_way.get_mut(&predecessor_group)?.successor = Some((number, sender));
            Some(Predecessor {
                group: predecessor_group,
                ended: receiver,
            })
        });
        let under_way = UnderWay {
            size: places.len(),
            sent: false,
            successor: None,
            follows: predecessor.is_some(),
        };
        self.under_way.insert(number, under_way);
        Taken {
            number,
            places,
            accounts: accounts.into_iter().collect(),
            predecessor,
        }
    }

    /// Takes from those who wait: who waits for nobody, or else all who may follow one group, if that is worth it.
    fn select(&mut self, most: usize) -> Selected {
        let (mut free, mut following, mut passed) = (Vec::new(), Vec::new(), Vec::new());
        let mut predecessor_group = None;
        // The accounts of those who are not taken, in either case and when others follow.
        let (mut behind, mut behind_others) = (HashSet::new(), HashSet::new());
        for number in 0_usize.. {
            if free.len() >= most || (free.is_empty() && following.len() >= most) {
                break;
            }
            let Some(place) = self.waiting.pop_front() else {
                break;
            };
            if place.is_over() {
                continue;
            }
            if let Some(hold) = self.apart.of(&place) {
                self.apart.push(hold, place, Instant::now());
                continue;
            }
            let accounts = place.request().accounts();
            let place = (number, place);
            let is_behind = |set: &HashSet<AccountId>| accounts.iter().any(|one| set.contains(one));
            match self.wait(&accounts) {
                _ if is_behind(&behind_others) => {
                    behind.extend(accounts);
                    behind_others.extend(accounts);
                    passed.push(place);
                }
                Wait::Nobody if !is_behind(&behind) => free.push(place),
                Wait::Nobody => {
                    behind.extend(accounts);
                    following.push(place);
                }
                Wait::Successor(group)
                    if predecessor_group
                        .is_none_or(|predecessor_group| predecessor_group == group) =>
                {
                    predecessor_group = Some(group);
                    behind.extend(accounts);
                    following.push(place);
                }
                Wait::Successor(_) | Wait::Others => {
                    behind.extend(accounts);
                    behind_others.extend(accounts);
                    passed.push(place);
                }
            }
        }
        let follow = predecessor_group.filter(|predecessor_group| {
            free.is_empty() && following.len() >= self.least_behind(*predecessor_group)
        });
        let places = if follow.is_some() {
            following
        } else {
            passed.append(&mut following);
            passed.sort_unstable_by_key(|(number, _)| *number);
            free
        };
        let without_number =
            |places: Vec<(usize, Place)>| places.into_iter().map(|(_, place)| place);
        Selected {
            places: without_number(places).collect(),
            passed: without_number(passed).collect(),
            predecessor_group: follow,
        }
    }

    fn wait(&self, accounts: &[AccountId]) -> Wait {
        let mut groups = accounts.iter().filter_map(|account| self.busy.get(account));
        let Some(first) = groups.next() else {
            return Wait::Nobody;
        };
        if groups.all(|group| group == first) && self.may_have_a_successor(*first) {
            Wait::Successor(*first)
        } else {
            Wait::Others
        }
    }

    fn may_have_a_successor(&self, group: u64) -> bool {
        self.under_way
            .get(&group)
            .is_some_and(|group| group.sent && group.successor.is_none() && !group.follows)
    }

    /// Whether another worker would find something to do in a request, with so many waiting before it.
    fn has_work_in(&self, place: &Place, waiting: usize) -> bool {
        match self.wait(&place.request().accounts()) {
            Wait::Nobody => true,
            Wait::Successor(group) => waiting >= self.least_behind(group),
            Wait::Others => false,
        }
    }

    /// How many requests at least are worth to follow a group; fewer wait until it has ended.
    fn least_behind(&self, group: u64) -> usize {
        let least = self.cost_model.least();
        let half = self.under_way.get(&group).map_or(0, |group| group.size / 2);
        least.max(half)
    }

    /// How many requests a worker takes at most: half, where that leaves enough for a group that follows or runs beside.
    fn share(&self, workers: usize) -> usize {
        let under_way = self.under_way.values().map(|group| group.size);
        let all = under_way.fold(self.waiting.len(), usize::saturating_add);
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
