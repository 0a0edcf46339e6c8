//! Where requests wait, and who drives them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use neobank_db::Database;
use tokio::runtime::Handle;

use super::super::error::LedgerError;
use super::counts::{Counts, GatherMetrics};
use super::lane::Lane;
use super::member::Place;
use super::options::GatherOptions;

/// Requests in the order of their arrival. A lane is started when one arrives and ends when none is left.
pub(super) struct Queue {
    pub(super) database: Database,
    options: GatherOptions,
    state: Mutex<State>,
    pub(super) counts: Counts,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Place>,
    lanes: usize,
}

impl Queue {
    pub(super) fn new(database: Database, options: GatherOptions) -> Self {
        Self {
            database,
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
        state.waiting.push_back(place);
        let starts = state.lanes < self.options.lanes;
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

    /// The next group, those first that came first; or `None`, and then the lane that asked counts no longer.
    pub(super) fn take(&self) -> Option<Vec<Place>> {
        let mut state = self.state();
        let mut group = Vec::new();
        while group.len() < self.options.group_size_max {
            let Some(place) = state.waiting.pop_front() else {
                break;
            };
            if !place.is_over() {
                group.push(place);
            }
        }
        if group.is_empty() {
            state.lanes = state.lanes.saturating_sub(1);
            return None;
        }
        Some(group)
    }

    /// A lane was dropped before its end, so its runtime is shutting down. Those who wait are told as their places are
    /// dropped; whoever comes next starts a lane where it runs itself.
    pub(super) fn abandon_lane(&self) {
        let waiting = {
            let mut state = self.state();
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

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Queue")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
