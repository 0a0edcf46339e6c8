//! The state that decisions carry over.

#![expect(
    clippy::float_arithmetic,
    reason = "averages and rates; no money is near"
)]

use super::observation::{Limits, Observation};
use super::reason::Reason;
use super::trial::{Baseline, Finding, Room, Trial, TrialDirection};

/// The state from one decision to the next: the age of the size, the current trial, and the
/// findings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SizingState {
    /// The number of windows since the size changed, this one included.
    pub(super) age: u32,
    pub(super) trial: Option<Trial>,
    /// The size after the last decision; another size was set by hand.
    expected: Option<usize>,
    measured: Measured,
    /// The best throughput since the tried sizes began to fall.
    best: f64,
    too_many: Option<Finding>,
    too_few: Option<Finding>,
    quiet: Quiet,
    ceiling: Ceiling,
    /// The number of running sessions in the server, smoothed.
    running: Option<f64>,
}

/// The throughput since the size last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Measured {
    windows: u32,
    windows_under_pressure: u32,
    seconds: f64,
    completed: u64,
    /// The number of waiting callers times seconds.
    waited: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Quiet {
    /// The number of consecutive windows in which part of the pool was unused.
    windows: u32,
    /// The highest number of connections in use in those windows.
    peak: usize,
    /// The number of windows needed for a step; 0 until the limits are known.
    needed: u32,
    /// True when the size was lowered for lack of use since it last grew.
    stepped_down: bool,
    /// The number of windows since a step down proved wrong.
    without_regret: u32,
}

/// The ceiling that the server's budget set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ceiling {
    now: Option<usize>,
    /// The lowest of the last windows, so that the pool does not follow an oscillating budget.
    lowest: Option<usize>,
    lowest_age: u32,
}

/// The least number of checkouts in a measurement. Its relative error is the square root of 1 / n,
/// so one part in 16.
const COMPLETED_ENOUGH: u64 = 250;

/// The least number of checkouts that distinguishes sizes near each other: one part in 25.
const COMPLETED_FOR_SMALL_STEPS: u64 = 600;

/// The relative change of one connection's throughput after which findings belong to another load.
const REGIME: f64 = 0.3;

/// The factor of waiting callers after which findings belong to another load.
const PRESSURE: f64 = 4.0;

const QUIET_DOUBLINGS: u32 = 4;

/// The multiple of the quiet time for a step after which the penalty of a wrong step is halved.
const REGRET: u32 = 40;

impl SizingState {
    /// Returns the throughput at the present size, in returned connections per second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        if self.measured.seconds > 0.0 {
            self.measured.completed as f64 / self.measured.seconds
        } else {
            0.0
        }
    }

    /// Returns the smallest size that was shown to bring no more throughput than a smaller one,
    /// while that finding is kept.
    #[must_use]
    pub fn known_to_be_too_many(&self) -> Option<usize> {
        self.too_many
            .filter(|found| found.left > 0)
            .map(|found| found.size)
    }

    /// Returns the largest growth, in connections; `None` without a bound.
    pub(super) fn room_above(&self, size: usize) -> Option<Room> {
        let found = self.too_many.filter(|found| found.size > size)?;
        let gap = found.size - size;
        // An expired finding is tested once itself, instead of by bisection.
        Some(if found.left > 0 {
            Room::Halve(gap)
        } else {
            Room::Whole(gap)
        })
    }

    pub(super) fn begin(&mut self, seen: &Observation, limits: &Limits) {
        if self.expected.is_some_and(|expected| expected != seen.size) {
            // The pool was resized by hand.
            self.trial = None;
            self.restart();
        }
        self.age = self.age.saturating_add(1);
        let findings = [&mut self.too_many, &mut self.too_few];
        for found in findings.into_iter().flatten() {
            found.left = found.left.saturating_sub(1);
        }
        self.observe_ceiling(seen, limits);
        self.observe_quiet(seen, limits);
        if let Some(server) = &seen.server {
            let now = server.running as f64;
            self.running = Some(self.running.map_or(now, |before| before * 0.7 + now * 0.3));
        }
    }

    pub(super) fn end(&mut self, seen: &Observation, size: usize, reason: Reason) {
        self.expected = Some(size);
        if size == seen.size {
            return;
        }
        self.restart();
        match reason {
            Reason::Unused => {
                self.quiet.stepped_down = true;
            }
            Reason::CallersWait => {
                if self.quiet.stepped_down {
                    // The connections that were removed for lack of use are needed now and then.
                    self.quiet.needed = self.quiet.needed.saturating_mul(2);
                    self.quiet.without_regret = 0;
                }
                self.quiet.stepped_down = false;
            }
            _ => {}
        }
        self.quiet.windows = 0;
        self.quiet.peak = 0;
    }

    fn restart(&mut self) {
        self.age = 0;
        self.measured = Measured::default();
    }

    fn observe_ceiling(&mut self, seen: &Observation, limits: &Limits) {
        let now = limits.budget(seen.server.as_ref()).or(self.ceiling.now);
        self.ceiling.now = now;
        self.ceiling.lowest_age = self.ceiling.lowest_age.saturating_add(1);
        let is_lower = match (now, self.ceiling.lowest) {
            (Some(now), Some(lowest)) => now <= lowest,
            (now, None) => now.is_some(),
            (None, Some(_)) => false,
        };
        if is_lower || self.ceiling.lowest_age > limits.quiet {
            self.ceiling.lowest = now;
            self.ceiling.lowest_age = 0;
        }
    }

    fn observe_quiet(&mut self, seen: &Observation, limits: &Limits) {
        let quiet = &mut self.quiet;
        let longest = limits.quiet.saturating_mul(1 << QUIET_DOUBLINGS);
        quiet.needed = quiet.needed.clamp(limits.quiet, longest.max(limits.quiet));
        quiet.without_regret = quiet.without_regret.saturating_add(1);
        if quiet.without_regret > limits.quiet.saturating_mul(REGRET) {
            quiet.needed = (quiet.needed / 2).max(limits.quiet);
            quiet.without_regret = 0;
        }
        let is_unused = seen.in_use_max * 4 <= seen.size * 3 && seen.timeouts == 0;
        if is_unused && seen.wait_p95 < limits.wait_tolerated {
            quiet.windows = quiet.windows.saturating_add(1);
            quiet.peak = quiet.peak.max(seen.in_use_max);
        } else {
            quiet.windows = 0;
            quiet.peak = 0;
        }
    }

    /// Returns the largest size that the configuration and the server's budget allow.
    pub(super) fn allowed_now(&self, limits: &Limits) -> usize {
        let budget = self.ceiling.now.unwrap_or(usize::MAX);
        limits.ceiling.min(budget).max(1)
    }

    /// Returns the smallest such size over the last windows, so that growth does not follow every
    /// short rise of the budget.
    pub(super) fn allowed_lately(&self, limits: &Limits) -> usize {
        let budget = self.ceiling.lowest.unwrap_or(usize::MAX);
        self.allowed_now(limits).min(budget.max(1))
    }

    pub(super) fn running(&self) -> f64 {
        self.running.unwrap_or_default()
    }

    pub(super) fn measure(&mut self, seen: &Observation, under_pressure: bool) {
        let measured = &mut self.measured;
        if self.trial.is_none() {
            if !under_pressure {
                // The throughput without waiting callers shows the demand, not the capacity.
                *measured = Measured::default();
                self.best = 0.0;
                return;
            }
            // The load of a minute ago says little about the present load.
            if measured.windows >= 30 {
                measured.windows /= 2;
                measured.windows_under_pressure /= 2;
                measured.completed /= 2;
                measured.seconds /= 2.0;
                measured.waited /= 2.0;
            }
        }
        measured.windows += 1;
        measured.windows_under_pressure += u32::from(under_pressure);
        measured.seconds += seen.elapsed.as_secs_f64();
        measured.waited += seen.waiting * seen.elapsed.as_secs_f64();
        measured.completed = measured.completed.saturating_add(seen.completed);
    }

    pub(super) fn measured_enough(&self, limits: &Limits) -> bool {
        let least = limits.cool_down.saturating_sub(1).max(1);
        let measured = &self.measured;
        let completed = if self.too_many.or(self.too_few).is_some() {
            COMPLETED_FOR_SMALL_STEPS
        } else {
            COMPLETED_ENOUGH
        };
        measured.windows >= least
            && (measured.completed >= completed || measured.windows >= least.saturating_mul(5))
    }

    /// Returns true when callers waited in most of the measured windows; otherwise the load
    /// determined the throughput, not the size.
    pub(super) fn mostly_under_pressure(&self) -> bool {
        self.measured.windows_under_pressure * 2 > self.measured.windows
    }

    /// Returns true when the last trial was of fewer connections, and they did the same work.
    pub(super) fn is_on_the_way_down(&self) -> bool {
        self.best > 0.0
    }

    /// Returns true when callers waited in every window for some time, so that the demand exceeds
    /// the throughput.
    pub(super) fn is_under_lasting_pressure(&self, limits: &Limits) -> bool {
        self.measured.windows >= limits.cool_down.saturating_mul(3)
    }

    pub(super) fn start_trial(&mut self, direction: TrialDirection, from: usize) {
        let throughput = self.throughput();
        self.best = match direction {
            TrialDirection::Up => 0.0,
            TrialDirection::Down => self.best.max(throughput),
        };
        self.trial = Some(Trial {
            direction,
            from,
            throughput,
            best: self.best,
            completed: self.measured.completed,
            waiting: self.waiting(),
        });
    }

    /// Returns the mean number of waiting callers since the size last changed.
    pub(super) fn waiting(&self) -> f64 {
        if self.measured.seconds > 0.0 {
            self.measured.waited / self.measured.seconds
        } else {
            0.0
        }
    }

    /// Returns the relative standard error of the quotient of two counts: the random
    /// difference of two equal throughputs.
    pub(super) fn jitter(&self, trial: &Trial) -> f64 {
        let inverse = |count: u64| 1.0 / count.max(1) as f64;
        (inverse(trial.completed) + inverse(self.measured.completed)).sqrt()
    }

    /// Records that `size` brings no gain over `right`, the size to continue with.
    pub(super) fn record_too_many(&mut self, size: usize, right: Baseline, limits: &Limits) {
        self.too_many = Some(Finding::new(size, right, self.too_many, limits));
    }

    /// Records that `size` does less work than `right`, the size to continue with.
    pub(super) fn record_too_few(&mut self, size: usize, right: Baseline, limits: &Limits) {
        self.too_few = Some(Finding::new(size, right, self.too_few, limits));
        self.best = 0.0;
    }

    /// Returns true unless this size was shown to be too small.
    pub(super) fn may_be_enough(&self, size: usize) -> bool {
        !self
            .too_few
            .is_some_and(|found| found.left > 0 && size <= found.size)
    }

    /// Discards every finding.
    pub(super) fn clear_findings(&mut self) {
        self.too_many = None;
        self.too_few = None;
        self.best = 0.0;
    }

    /// Discards findings of another load: one connection's throughput has changed much, or so many
    /// more callers wait that the load, not the size, may have determined the throughput.
    pub(super) fn clear_stale_findings(&mut self, size: usize) {
        let rate = self.throughput() / size.max(1) as f64;
        let waiting = self.waiting();
        for finding in [&mut self.too_many, &mut self.too_few] {
            if finding.is_some_and(|found| {
                (rate - found.rate).abs() > found.rate * REGIME
                    || waiting > found.waiting * PRESSURE + size as f64 * 0.5
            }) {
                *finding = None;
            }
        }
    }

    /// Returns the highest number of connections in use, after part of the pool was unused for long
    /// enough; `None` before.
    pub(super) fn unused_above(&self) -> Option<usize> {
        (self.quiet.windows >= self.quiet.needed).then_some(self.quiet.peak)
    }
}
