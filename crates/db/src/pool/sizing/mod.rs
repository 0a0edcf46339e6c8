//! The size of a pool: a pure function from observations to a size and its reason.
//!
//! More connections help only while the server has idle resources. Beyond a *knee* throughput is
//! flat, and then it falls (N. Gunther's Universal Scalability Law: contention, then coherency).
//! Therefore waiting callers and timeouts alone are no reason to grow. The function climbs the hill
//! instead:
//!
//! * It grows when callers wait and the server is neither saturated nor full of sessions that wait
//!   for locks; at most to twice the size at once.
//! * It measures the throughput before and after. A growth is undone when less than a tenth of it
//!   arrives as throughput, and that size is not tried again for a while. Sizes in between are, so
//!   that bisection finds the knee.
//! * When callers wait and growth does not help, it tries fewer connections, and keeps the smaller
//!   size if that does the same work. So it follows a knee that has moved down.
//! * It shrinks by one small step after a long time in which part of the pool was never used.
//! * It never exceeds the ceiling, nor this instance's share of the server's connections. When that
//!   share falls, the size follows at once.
//!
//! A cool-down separates two changes, and findings are kept for longer and longer, so that the size
//! settles under a steady load.

#![expect(
    clippy::float_arithmetic,
    reason = "averages and rates; no money is near"
)]

mod auto_size;
mod observation;
mod reason;
mod state;
mod trial;

pub use auto_size::AutoSize;
pub(crate) use auto_size::Sizer;
pub use observation::{Limits, Observation, ServerLoad};
pub use reason::Reason;
pub use state::SizingState;

use trial::{Baseline, Room, Trial, TrialDirection};

/// The share of a relative growth that must arrive as throughput.
const GAIN_NEEDED: f64 = 0.1;
/// The smallest gain that counts, however small the growth was.
const GAIN_LEAST: f64 = 0.02;
/// The highest credible gain of fewer connections; a larger one means that the load has changed.
const GAIN_CREDIBLE: f64 = 1.3;
/// The share of the best throughput that fewer connections may lose.
const LOSS_TOLERATED: f64 = 0.03;

/// A size, its reason, and the state for the next decision.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SizingDecision {
    /// The size, in connections.
    pub size: usize,
    /// The reason for this size.
    pub reason: Reason,
    /// The state to pass to the next decision.
    pub state: SizingState,
}

/// Decides the size of the pool after a window of time.
///
/// A pure function: it reads no clock and performs no I/O. `state` is the one that the previous
/// decision returned, or the default at the start.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use neobank_db::pool::{Limits, Observation, Reason, ServerLoad, SizingState, decide};
///
/// let limits = Limits::new(2, 50);
/// let mut server = ServerLoad::new(97);
/// (server.running, server.others) = (3, 5);
///
/// let mut busy = Observation::new(Duration::from_secs(1), 8);
/// (busy.in_use, busy.in_use_max) = (8.0, 8);
/// (busy.waiting, busy.wait_p95) = (6.0, Duration::from_millis(80));
/// (busy.completed, busy.hold_mean) = (800, Duration::from_millis(10));
/// busy.server = Some(server);
///
/// let mut state = SizingState::default();
/// let grown = loop {
///     let decision = decide(&busy, &state, &limits);
///     if decision.size != busy.size {
///         break decision;
///     }
///     state = decision.state;
/// };
/// assert_eq!((grown.size, grown.reason), (14, Reason::CallersWait));
///
/// // Other clients have taken most of the server's connections.
/// server.others = 93;
/// busy.server = Some(server);
/// let decision = decide(&busy, &state, &limits);
/// assert_eq!((decision.size, decision.reason), (4, Reason::BudgetFell));
/// ```
#[must_use]
pub fn decide(seen: &Observation, state: &SizingState, limits: &Limits) -> SizingDecision {
    let mut state = state.clone();
    state.begin(seen, limits);
    let (size, reason) = next(seen, &mut state, limits);
    state.end(seen, size, reason);
    SizingDecision {
        size,
        reason,
        state,
    }
}

fn next(seen: &Observation, state: &mut SizingState, limits: &Limits) -> (usize, Reason) {
    let size = seen.size;
    let allowed = state.allowed_now(limits);
    let floor = limits.floor.max(1).min(allowed);
    if size > allowed {
        state.trial = None;
        return (allowed, Reason::BudgetFell);
    }
    if size < floor {
        state.trial = None;
        return (floor, Reason::BelowFloor);
    }
    if state.age <= 1 {
        // Connections are being opened or closed, so the observation belongs to neither size.
        return (size, Reason::CoolingDown);
    }
    let waits = callers_wait(seen, limits);
    state.measure(seen, waits);
    if let Some(trial) = state.trial {
        if !state.measured_enough(limits) {
            return (size, Reason::Measuring);
        }
        return judge(trial, size, state, limits);
    }
    if state.age < limits.cool_down {
        return (size, Reason::CoolingDown);
    }
    if waits {
        under_pressure(seen, state, limits, floor)
    } else {
        at_ease(seen, state, floor)
    }
}

fn callers_wait(seen: &Observation, limits: &Limits) -> bool {
    let waiting_needed = 0.5 + 0.02 * seen.size as f64;
    seen.timeouts > 0 || (seen.waiting >= waiting_needed && seen.wait_p95 >= limits.wait_tolerated)
}

/// Decides while callers wait: more connections if they can help, otherwise perhaps fewer.
fn under_pressure(
    seen: &Observation,
    state: &mut SizingState,
    limits: &Limits,
    floor: usize,
) -> (usize, Reason) {
    let size = seen.size;
    if !state.measured_enough(limits) {
        return (size, Reason::Measuring);
    }
    if state.throughput() <= 0.0 {
        return (size, Reason::NothingCompletes);
    }
    state.clear_stale_findings(size);
    let growth = growth(seen, state, limits);
    let smaller = size - (size / 8).max(1).min(size);
    let may_try_fewer = smaller >= floor && state.may_be_enough(smaller);
    // Fewer connections did the same work a moment ago, so the search continues downwards.
    if may_try_fewer && state.is_on_the_way_down() {
        state.start_trial(TrialDirection::Down, size);
        return (smaller, Reason::TryingFewer);
    }
    match growth {
        Ok(larger) => {
            state.start_trial(TrialDirection::Up, size);
            (larger, Reason::CallersWait)
        }
        Err(_) if may_try_fewer && state.is_under_lasting_pressure(limits) => {
            state.start_trial(TrialDirection::Down, size);
            (smaller, Reason::TryingFewer)
        }
        Err(blocked) => (size, blocked),
    }
}

/// Returns the larger size to try, or the reason against any.
fn growth(seen: &Observation, state: &SizingState, limits: &Limits) -> Result<usize, Reason> {
    let size = seen.size;
    let ceiling = state.allowed_lately(limits);
    if size >= ceiling {
        return Err(Reason::AtCeiling);
    }
    if let Some(server) = &seen.server {
        // One in five connections that waits for a lock is more than random.
        if server.lock_waiters > 0 && server.lock_waiters * 5 >= seen.in_use_max {
            return Err(Reason::WaitingForLocks);
        }
        if limits
            .cores
            .is_some_and(|cores| state.running() >= cores as f64)
        {
            return Err(Reason::ServerSaturated);
        }
    }
    let least = (size / 10).max(1);
    let room = match state.room_above(size) {
        Some(Room::Halve(gap)) if gap <= least => return Err(Reason::KneeKnown),
        Some(Room::Halve(gap)) => (gap / 2).max(1),
        Some(Room::Whole(gap)) => gap,
        None => size.max(1),
    };
    let step = whole(seen.waiting).clamp(least, size.max(1)).min(room);
    Ok((size + step).min(ceiling))
}

/// Judges whether a change had the intended effect.
fn judge(trial: Trial, size: usize, state: &mut SizingState, limits: &Limits) -> (usize, Reason) {
    state.trial = None;
    let (before, after) = (trial.throughput, state.throughput());
    let waiting = trial.waiting.max(state.waiting());
    let here = Baseline {
        size,
        throughput: after,
        waiting,
    };
    let there = Baseline {
        size: trial.from,
        throughput: before,
        waiting,
    };
    if !state.mostly_under_pressure() {
        // The load has fallen, or the pool is large enough: no size was shown to be wrong.
        let reason = match trial.direction {
            TrialDirection::Up => Reason::GrowthKept,
            TrialDirection::Down => Reason::FewerSuffice,
        };
        return (size, reason);
    }
    let jitter = state.jitter(&trial);
    // Findings bound the tried sizes from both sides, so that the search ends.
    match trial.direction {
        TrialDirection::Up => {
            let grown_by = (size as f64 - trial.from as f64) / trial.from.max(1) as f64;
            let needed = (grown_by * GAIN_NEEDED).max(GAIN_LEAST);
            if after >= before * (1.0 + needed + jitter / 2.0) {
                state.record_too_few(trial.from, here, limits);
                return (size, Reason::GrowthKept);
            }
            state.record_too_many(size, there, limits);
            (
                trial.from.min(state.allowed_now(limits)),
                Reason::GrowthUndone,
            )
        }
        TrialDirection::Down => {
            if after > trial.best * GAIN_CREDIBLE {
                // No smaller size does that much, so the load has changed.
                state.clear_findings();
                return (size, Reason::FewerSuffice);
            }
            if after >= trial.best * (1.0 - LOSS_TOLERATED - jitter / 2.0) {
                state.record_too_many(trial.from, here, limits);
                return (size, Reason::FewerSuffice);
            }
            state.record_too_few(size, there, limits);
            (
                trial.from.min(state.allowed_now(limits)),
                Reason::FewerUndone,
            )
        }
    }
}

/// Decides while no caller waits: one step down when part of the pool was unused for a long time.
fn at_ease(seen: &Observation, state: &mut SizingState, floor: usize) -> (usize, Reason) {
    let size = seen.size;
    let Some(peak) = state.unused_above() else {
        return (size, Reason::Steady);
    };
    let kept = (peak + (peak / 4).max(1)).max(floor);
    let target = (size - (size / 10).max(1).min(size)).max(kept);
    if target < size {
        (target, Reason::Unused)
    } else {
        (size, Reason::Steady)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held between 0 and a million first"
)]
fn whole(number: f64) -> usize {
    number.clamp(0.0, 1e6).ceil() as usize
}

#[cfg(test)]
mod tests;
