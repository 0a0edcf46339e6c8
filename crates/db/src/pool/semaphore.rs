//! Who may have a connection: a number of permits that can be changed while it is in use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::level::Level;

/// Gives out permits, at most `size` at a time, in the order in which callers came.
///
/// The size can be changed at any time. A larger one lets waiting callers in at once; a smaller one takes effect as
/// permits come back, since nobody's permit is taken away. A caller that stops waiting, at whatever point, loses nobody's
/// permit: one that was handed to it in the meantime goes to the next.
#[derive(Debug)]
pub(crate) struct Semaphore {
    state: Mutex<SemaphoreState>,
    /// Callers that may wait at a time.
    waiters_max: usize,
}

/// The right to have one connection; it goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    /// Taken out only by [`Permit::give_back`] and `drop`.
    semaphore: Option<Arc<Semaphore>>,
}

/// Why there was no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcquireError {
    /// The semaphore has been closed.
    Closed,
    /// As many callers wait already as may.
    Overloaded {
        /// Callers that wait.
        waiting: usize,
    },
    /// The limit of the wait has passed.
    TimedOut,
}

/// What a semaphore is doing at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SemaphoreStatus {
    /// Permits at most.
    pub(crate) size: usize,
    /// Permits that are out. More than `size` for a while after the size was lowered.
    pub(crate) in_use: usize,
    /// Callers that wait.
    pub(crate) waiting: usize,
}

/// What happened at a semaphore between two looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SemaphoreWindow {
    pub(crate) elapsed: Duration,
    /// Permits that were out, averaged over the time.
    pub(crate) in_use_mean: f64,
    /// The most permits that were out at once.
    pub(crate) in_use_max: usize,
    /// Callers that waited, averaged over the time.
    pub(crate) waiting_mean: f64,
}

#[derive(Debug)]
struct SemaphoreState {
    size: usize,
    closed: bool,
    in_use: Level,
    waiting: Level,
    /// By the order in which they came.
    waiters: BTreeMap<u64, oneshot::Sender<Permit>>,
    next_ticket: u64,
    window_started: Instant,
}

impl Semaphore {
    pub(crate) fn new(size: usize, waiters_max: usize) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            state: Mutex::new(SemaphoreState {
                size,
                closed: false,
                in_use: Level::new(now),
                waiting: Level::new(now),
                waiters: BTreeMap::new(),
                next_ticket: 0,
                window_started: now,
            }),
            waiters_max,
        })
    }

    /// Waits for a permit, at most this long.
    pub(crate) async fn acquire(self: &Arc<Self>, limit: Duration) -> Result<Permit, AcquireError> {
        let (mut waiting, receiver) = match self.enter()? {
            Admission::Permit(permit) => return Ok(permit),
            Admission::Wait(waiting, receiver) => (waiting, receiver),
        };
        // A permit that arrives as this future is dropped, or as the limit passes, is dropped with `receiver` and so goes
        // to the next.
        let answer = tokio::time::timeout(limit, receiver).await;
        match answer {
            Ok(Ok(permit)) => {
                waiting.ticket = None;
                Ok(permit)
            }
            Ok(Err(_)) => Err(AcquireError::Closed),
            Err(_) => Err(AcquireError::TimedOut),
        }
    }

    /// Changes how many permits there may be, and lets waiting callers in when it is more.
    ///
    /// `then` runs with the number of connections that may be idle from now on, before anybody else can pass the semaphore.
    pub(crate) fn resize<T>(self: &Arc<Self>, size: usize, then: impl FnOnce(usize) -> T) -> T {
        let outcome = {
            let mut state = self.lock();
            state.size = size;
            then(size.saturating_sub(state.in_use.now()))
        };
        self.grant_waiters();
        outcome
    }

    /// Refuses everybody from now on, those who wait among them. Permits that are out stay valid.
    pub(crate) fn close(&self) {
        let waiters = {
            let mut state = self.lock();
            state.closed = true;
            state.set_waiting(0);
            std::mem::take(&mut state.waiters)
        };
        drop(waiters);
    }

    pub(crate) fn status(&self) -> SemaphoreStatus {
        let state = self.lock();
        SemaphoreStatus {
            size: state.size,
            in_use: state.in_use.now(),
            waiting: state.waiters.len(),
        }
    }

    /// What happened since this was last called.
    pub(crate) fn take_window(&self) -> SemaphoreWindow {
        let now = Instant::now();
        let mut state = self.lock();
        let elapsed = now.saturating_duration_since(state.window_started);
        state.window_started = now;
        let in_use = state.in_use.take(now, elapsed);
        let waiting = state.waiting.take(now, elapsed);
        SemaphoreWindow {
            elapsed,
            in_use_mean: in_use.mean,
            in_use_max: in_use.max,
            waiting_mean: waiting.mean,
        }
    }

    fn enter(self: &Arc<Self>) -> Result<Admission, AcquireError> {
        let mut state = self.lock();
        if state.closed {
            return Err(AcquireError::Closed);
        }
        if state.waiters.is_empty() && state.in_use.now() < state.size {
            state.change_in_use(1);
            return Ok(Admission::Permit(Permit::new(self)));
        }
        if state.waiters.len() >= self.waiters_max {
            return Err(AcquireError::Overloaded {
                waiting: state.waiters.len(),
            });
        }
        let ticket = state.next_ticket;
        state.next_ticket = ticket.wrapping_add(1);
        let (sender, receiver) = oneshot::channel();
        state.waiters.insert(ticket, sender);
        let waiting = state.waiters.len();
        state.set_waiting(waiting);
        Ok(Admission::Wait(
            WaiterTicket {
                semaphore: Arc::clone(self),
                ticket: Some(ticket),
            },
            receiver,
        ))
    }

    /// Lets the callers in that have waited longest, as many as there are permits for.
    fn grant_waiters(self: &Arc<Self>) {
        loop {
            let waiter = {
                let mut state = self.lock();
                if state.in_use.now() >= state.size {
                    return;
                }
                let Some((_, waiter)) = state.waiters.pop_first() else {
                    return;
                };
                let waiting = state.waiters.len();
                state.set_waiting(waiting);
                state.change_in_use(1);
                waiter
            };
            // Sent without the lock, because a permit that nobody takes comes back here, and its `drop` takes the lock.
            if let Err(mut refused) = waiter.send(Permit::new(self)) {
                refused.semaphore = None;
                self.lock().change_in_use(-1);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, SemaphoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SemaphoreState {
    fn change_in_use(&mut self, by: isize) {
        let level = self.in_use.now().saturating_add_signed(by);
        self.in_use.set(level, Instant::now());
    }

    fn set_waiting(&mut self, level: usize) {
        self.waiting.set(level, Instant::now());
    }
}

impl Permit {
    fn new(semaphore: &Arc<Semaphore>) -> Self {
        Self {
            semaphore: Some(Arc::clone(semaphore)),
        }
    }

    /// Gives the permit back together with what it stood for. `keep` takes that when there is still room for it, before
    /// anybody else can pass the semaphore; else it is returned, to be closed.
    pub(crate) fn give_back<T>(mut self, thing: T, keep: impl FnOnce(T)) -> Option<T> {
        let semaphore = self.semaphore.take()?;
        let surplus = {
            let mut state = semaphore.lock();
            state.change_in_use(-1);
            if state.closed || state.in_use.now() >= state.size {
                Some(thing)
            } else {
                keep(thing);
                None
            }
        };
        semaphore.grant_waiters();
        surplus
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(semaphore) = self.semaphore.take() {
            semaphore.lock().change_in_use(-1);
            semaphore.grant_waiters();
        }
    }
}

enum Admission {
    Permit(Permit),
    Wait(WaiterTicket, oneshot::Receiver<Permit>),
}

/// A place among those who wait; given up when it is dropped.
struct WaiterTicket {
    semaphore: Arc<Semaphore>,
    ticket: Option<u64>,
}

impl Drop for WaiterTicket {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let mut state = self.semaphore.lock();
        let waiter = state.waiters.remove(&ticket);
        let waiting = state.waiters.len();
        state.set_waiting(waiting);
        drop(state);
        drop(waiter);
    }
}

#[cfg(test)]
mod tests;
