//! Where requests wait, and who drives them.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use super::super::Ledger;
use super::super::error::LedgerError;
use super::counts::{Counts, GatherMetrics};
use super::lane::Lane;
use super::member::Place;
use super::options::GatherOptions;
use crate::AccountId;

/// Requests in the order of their arrival. A lane is started when one arrives and ends when none is left.
pub(super) struct Queue {
    pub(super) ledger: Ledger,
    options: GatherOptions,
    state: Mutex<State>,
    pub(super) counts: Counts,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Place>,
    lanes: usize,
    /// The accounts of the groups that are under way: another lane would only wait for their locks.
    busy: HashSet<AccountId>,
}

/// Requests that one lane carries out together, and their accounts: nobody else takes requests for them until this lane
/// takes its next group.
pub(super) struct Taken {
    pub(super) places: Vec<Place>,
    pub(super) accounts: Vec<AccountId>,
}

impl Queue {
    pub(super) fn new(ledger: Ledger, options: GatherOptions) -> Self {
        Self {
            ledger,
            options,
            state: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Puts a request at the end, and starts a lane if one may be started.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Overloaded`]; [`LedgerError::Stopped`] outside of a runtime.
    pub(super) fn enter(self: &Arc<Self>, place: Place) -> Result<(), LedgerError> {
        let runtime = Handle::try_current().map_err(|_| LedgerError::Stopped)?;
        let mut state = self.state();
        let limit = self.options.waiting_max;
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
        // Another lane has something to do only where the locks of those under way are not in its way.
        let starts = state.lanes == 0
            || (state.lanes < self.options.lanes && !state.is_busy(&place, &HashSet::new()));
        state.waiting.push_back(place);
        if starts {
            state.lanes = state.lanes.saturating_add(1);
        }
        drop(state);
        if starts {
            // Not under the lock: a runtime that shuts down drops the lane here and now.
            drop(runtime.spawn(Lane::new(Arc::clone(self)).drive()));
        }
        Ok(())
    }

    /// The next group; or `None`, and then the lane that asked counts no longer.
    ///
    /// Those first that came first, but for accounts that are busy: a request for one of them waits, and so do those behind
    /// it that share an account with it. So the requests of an account are carried out in the order of their arrival.
    ///
    /// `over` are the accounts of the lane's last group. They become free only now: a lane that started in between would
    /// take the few who ask for them first, and the others would wait for two groups.
    pub(super) fn take(&self, over: &[AccountId]) -> Option<Taken> {
        let mut state = self.state();
        state.release(over);
        let (mut places, mut passed) = (Vec::new(), Vec::new());
        let mut behind = HashSet::new();
        while places.len() < self.options.group_size_max {
            let Some(place) = state.waiting.pop_front() else {
                break;
            };
            if place.is_over() {
                continue;
            }
            if state.is_busy(&place, &behind) {
                behind.extend(place.request().accounts());
                passed.push(place);
            } else {
                places.push(place);
            }
        }
        while let Some(place) = passed.pop() {
            state.waiting.push_front(place);
        }
        if places.is_empty() {
            state.lanes = state.lanes.saturating_sub(1);
            return None;
        }
        let accounts: HashSet<_> = places
            .iter()
            .flat_map(|place| place.request().accounts())
            .collect();
        state.busy.extend(&accounts);
        Some(Taken {
            places,
            accounts: accounts.into_iter().collect(),
        })
    }

    /// A lane was dropped before its end, so its runtime is shutting down. Those who wait are told as their places are
    /// dropped; whoever comes next starts a lane where it runs itself.
    pub(super) fn abandon_lane(&self, over: &[AccountId]) {
        let waiting = {
            let mut state = self.state();
            state.release(over);
            state.lanes = state.lanes.saturating_sub(1);
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }

    pub(super) fn metrics(&self) -> GatherMetrics {
        let (waiting, lanes) = {
            let state = self.state();
            (state.waiting.len(), state.lanes)
        };
        self.counts.metrics(waiting, lanes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn release(&mut self, accounts: &[AccountId]) {
        for account in accounts {
            self.busy.remove(account);
        }
    }

    fn is_busy(&self, place: &Place, behind: &HashSet<AccountId>) -> bool {
        let accounts = place.request().accounts();
        accounts
            .iter()
            .any(|account| self.busy.contains(account) || behind.contains(account))
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
