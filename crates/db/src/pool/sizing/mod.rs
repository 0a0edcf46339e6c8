//! How large the pool is to be: a pure function from what was seen to a size and the reason for it.
//!
//! More connections help only while the server has something to do them with. Beyond a *knee* throughput is flat, and then
//! it falls (N. Gunther's Universal Scalability Law: contention, then coherency). So callers that wait are no reason to
//! grow by themselves, and neither are timeouts. The function climbs the hill instead:
//!
//! * It grows when callers wait and the server is neither saturated nor full of sessions that wait for locks; at most to
//!   twice the size at once.
//! * It measures the throughput before and after. A growth of which less than a tenth arrives as throughput is undone,
//!   and that size is not tried again for a while; sizes in between are, so that the knee is found by halving.
//! * When callers wait and growing does not help, it tries fewer connections and keeps the smaller size if that does the
//!   same work. So it comes back to a knee that has moved down.
//! * It takes one small step down after a long time in which part of the pool was never used.
//! * It never passes the ceiling or this instance's part of what the server has. When that falls, it follows at once.
//!
//! Between two changes there is a cool-down, and what was found out is remembered for longer and longer, so that under a
//! steady load the size comes to rest.

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

/// Of a growth by some part, at least this part of it must arrive as throughput.
const GAIN_NEEDED: f64 = 0.1;
/// A gain below this is as good as none, however small the growth was.
const GAIN_LEAST: f64 = 0.02;
/// Fewer connections cannot do more than this times the work; by so much, it is the load that has changed.
const GAIN_CREDIBLE: f64 = 1.3;
/// Fewer connections may lose this part of the best throughput.
const LOSS_TOLERATED: f64 = 0.03;

/// A size, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct SizingDecision {
    /// Connections at most, from now on.
    pub size: usize,
    /// Why it is this, and not more or fewer.
    pub reason: Reason,
    /// To be given to the next decision.
    pub state: SizingState,
}

/// Decides how large the pool is to be after a window of time.
///
/// Pure: it reads no clock and asks nobody. `state` is what the decision before returned, or the default at the start.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use neobank_db::pool::{Limits, Observation, Reason, ServerLoad, SizingState, decide};
///
/// let limits = Limits::new(2, 50);
/// let mut busy = Observation {
///     elapsed: Duration::from_secs(1),
///     size: 8,
///     in_use: 8.0,
///     in_use_max: 8,
///     waiting: 6.0,
///     wait_p95: Duration::from_millis(80),
///     hold_mean: Duration::from_millis(10),
///     completed: 800,
///     timeouts: 0,
///     server: Some(ServerLoad { running: 3, lock_waiters: 0, connections_max: 97, others: 5 }),
/// };
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
/// // Somebody else has taken most of the server's connections.
/// busy.server = Some(ServerLoad { running: 3, lock_waiters: 0, connections_max: 97, others: 93 });
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
        // Connections are being opened or closed; what is seen belongs to neither size.
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

/// Callers wait: more connections if they can help, else perhaps fewer.
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
    // Fewer did the same work a moment ago: that is the way to go on.
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

/// The larger size to try, or what speaks against any.
fn growth(seen: &Observation, state: &SizingState, limits: &Limits) -> Result<usize, Reason> {
    let size = seen.size;
    let ceiling = state.allowed_lately(limits);
    if size >= ceiling {
        return Err(Reason::AtCeiling);
    }
    if let Some(server) = &seen.server {
        // One in five connections that waits for a lock is more than chance.
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

/// Whether a change did what it was made for.
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
    // What was found out bounds the sizes that are tried from both sides, so that there is an end to it.
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
                // No smaller size does that much; the load has become another one.
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

/// Nobody waits: one step down when part of the pool was not used for a long time.
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
