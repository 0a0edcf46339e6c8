//! A semaphore whose number of permits can change while it is in use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::level::Level;

/// A semaphore that grants at most `size` permits at once, in the order of arrival.
///
/// The size can change at any time. A larger one admits waiting callers at once. A smaller one
/// takes effect as permits are returned; no caller loses its permit. A caller may stop waiting at
/// any point: a permit that was granted to it in the meantime goes to the next caller.
#[derive(Debug)]
pub(crate) struct Semaphore {
    state: Mutex<SemaphoreState>,
    /// The highest number of waiting callers.
    waiters_max: usize,
}

/// The permit to use one connection. Dropping it returns it.
#[derive(Debug)]
pub(crate) struct Permit {
    /// Taken out only by [`Permit::give_back`] and `drop`.
    semaphore: Option<Arc<Semaphore>>,
}

/// The reason why no permit was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcquireError {
    /// The semaphore is closed.
    Closed,
    /// The highest number of callers wait already.
    Overloaded {
        /// The number of waiting callers.
        waiting: usize,
    },
    /// The timeout of the wait has expired.
    TimedOut,
}

/// The state of a semaphore at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SemaphoreStatus {
    /// The highest number of permits.
    pub(crate) size: usize,
    /// The number of granted permits. Above `size` for a while after the size was lowered.
    pub(crate) in_use: usize,
    /// The number of waiting callers.
    pub(crate) waiting: usize,
}

/// The use of a semaphore over a window of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SemaphoreWindow {
    pub(crate) elapsed: Duration,
    /// The mean number of granted permits.
    pub(crate) in_use_mean: f64,
    /// The highest number of granted permits.
    pub(crate) in_use_max: usize,
    /// The mean number of waiting callers.
    pub(crate) waiting_mean: f64,
}

#[derive(Debug)]
struct SemaphoreState {
    size: usize,
    closed: bool,
    in_use: Level,
    waiting: Level,
    /// The waiting callers in the order of their arrival.
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

    /// Waits for a permit, for `limit` at most.
    pub(crate) async fn acquire(self: &Arc<Self>, limit: Duration) -> Result<Permit, AcquireError> {
        let (mut waiting, receiver) = match self.enter()? {
            Admission::Permit(permit) => return Ok(permit),
            Admission::Wait(waiting, receiver) => (waiting, receiver),
        };
        // A permit that arrives while this future is dropped or times out is dropped with
        // `receiver`, and goes to the next caller.
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

    /// Changes the number of permits, and admits waiting callers when it grows.
    ///
    /// `then` runs with the number of connections that may be idle from now on, before any other
    /// caller can pass the semaphore.
    pub(crate) fn resize<T>(self: &Arc<Self>, size: usize, then: impl FnOnce(usize) -> T) -> T {
        let outcome = {
            let mut state = self.lock();
            state.size = size;
            then(size.saturating_sub(state.in_use.now()))
        };
        self.grant_waiters();
        outcome
    }

    /// Closes the semaphore: waiting and later callers get an error. Granted permits stay valid.
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

    /// Returns the use since the last call.
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

    /// Grants the available permits to the callers that have waited longest.
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
            // Sent without holding the lock: a permit without a receiver returns here, and its
            // `drop` takes the lock.
            if let Err(mut undelivered) = waiter.send(Permit::new(self)) {
                undelivered.semaphore = None;
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

    /// Returns the permit with its connection. `keep` stores the connection while the size allows
    /// it, before any other caller can pass the semaphore; otherwise the connection is returned, to
    /// be closed.
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

/// A place in the queue of callers; dropping it leaves the queue.
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
