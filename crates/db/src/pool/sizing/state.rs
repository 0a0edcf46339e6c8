//! What decisions remember.

#![expect(
    clippy::float_arithmetic,
    reason = "averages and rates; no money is near"
)]

use super::observation::{Limits, Observation};
use super::reason::Reason;
use super::trial::{Baseline, Finding, Room, Trial, TrialDirection};

/// What one decision leaves for the next: when the size changed, what is being tried, and what was found out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SizingState {
    /// Windows since the size changed, this one included.
    pub(super) age: u32,
    pub(super) trial: Option<Trial>,
    /// The size after the last decision; another one is somebody else's doing.
    expected: Option<usize>,
    measured: Measured,
    /// The best throughput since the sizes that are tried began to fall.
    best: f64,
    too_many: Option<Finding>,
    too_few: Option<Finding>,
    quiet: Quiet,
    ceiling: Ceiling,
    /// Sessions that run in the server, smoothed.
    running: Option<f64>,
}

/// Throughput since the size last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Measured {
    windows: u32,
    windows_under_pressure: u32,
    seconds: f64,
    completed: u64,
    /// Callers that waited, times seconds.
    waited: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Quiet {
    /// Windows in a row in which part of the pool was not used.
    windows: u32,
    /// The most connections in use at once in those.
    peak: usize,
    /// Windows needed; 0 until the limits are known.
    needed: u32,
    /// Whether the size was lowered for lack of use since it last grew.
    stepped_down: bool,
    /// Windows since a step down turned out to be wrong.
    without_regret: u32,
}

/// What the server's budget allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ceiling {
    now: Option<usize>,
    /// The least of the last windows, so that a budget that goes up and down does not take the pool with it.
    lowest: Option<usize>,
    lowest_age: u32,
}

/// A measurement of fewer than this many is mostly noise: its relative error is the root of 1 / n, so one part in 16.
const COMPLETED_ENOUGH: u64 = 250;

/// As many are needed to tell sizes apart that lie near each other: one part in 25.
const COMPLETED_FOR_SMALL_STEPS: u64 = 600;

/// How far what one connection does may change before findings are about another load.
const REGIME: f64 = 0.3;

/// How many times more callers may wait before findings are about another load.
const PRESSURE: f64 = 4.0;

const QUIET_DOUBLINGS: u32 = 4;

/// A step down that was wrong is forgotten by half after this many times the quiet that a step needs.
const REGRET: u32 = 40;

impl SizingState {
    /// The throughput at the present size, in connections that came back per second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        if self.measured.seconds > 0.0 {
            self.measured.completed as f64 / self.measured.seconds
        } else {
            0.0
        }
    }

    /// The smallest size that was seen to bring no more throughput than a smaller one, while that is remembered.
    #[must_use]
    pub fn known_to_be_too_many(&self) -> Option<usize> {
        self.too_many
            .filter(|found| found.left > 0)
            .map(|found| found.size)
    }

    /// How far to grow at most, in connections; `None` when nothing speaks for a limit.
    pub(super) fn room_above(&self, size: usize) -> Option<Room> {
        let found = self.too_many.filter(|found| found.size > size)?;
        let gap = found.size - size;
        // What is no longer remembered is tried itself, once, instead of being halved again.
        Some(if found.left > 0 {
            Room::Halve(gap)
        } else {
            Room::Whole(gap)
        })
    }

    pub(super) fn begin(&mut self, seen: &Observation, limits: &Limits) {
        if self.expected.is_some_and(|expected| expected != seen.size) {
            // Somebody resized the pool by hand.
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
                    // What was taken away for lack of use is needed now and then.
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

    /// The most that the configuration and the server's budget allow.
    pub(super) fn allowed_now(&self, limits: &Limits) -> usize {
        let budget = self.ceiling.now.unwrap_or(usize::MAX);
        limits.ceiling.min(budget).max(1)
    }

    /// The least of that over the last windows: growth does not follow every short rise of the budget.
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
                // What is done while nobody waits says what is asked for, not what the pool can do.
                *measured = Measured::default();
                self.best = 0.0;
                return;
            }
            // The load of a minute ago says little about the load of now.
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

    /// Whether callers waited in most of the measured windows; else the load decided the throughput, and not the size.
    pub(super) fn mostly_under_pressure(&self) -> bool {
        self.measured.windows_under_pressure * 2 > self.measured.windows
    }

    /// Whether the last trial was of fewer connections, and they did the same work.
    pub(super) fn is_on_the_way_down(&self) -> bool {
        self.best > 0.0
    }

    /// Whether callers have waited in every window for some time: what is asked for is surely more than what is done.
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

    /// Callers that waited since the size last changed, averaged.
    pub(super) fn waiting(&self) -> f64 {
        if self.measured.seconds > 0.0 {
            self.measured.waited / self.measured.seconds
        } else {
            0.0
        }
    }

    /// By how much two equal throughputs differ by chance: the relative standard error of the quotient of two counts.
    pub(super) fn jitter(&self, trial: &Trial) -> f64 {
        let inverse = |count: u64| 1.0 / count.max(1) as f64;
        (inverse(trial.completed) + inverse(self.measured.completed)).sqrt()
    }

    /// `size` brings nothing that `right`, the size to go on with, does not bring at this throughput.
    pub(super) fn record_too_many(&mut self, size: usize, right: Baseline, limits: &Limits) {
        self.too_many = Some(Finding::new(size, right, self.too_many, limits));
    }

    /// `size` does less than `right`, the size to go on with, does at this throughput.
    pub(super) fn record_too_few(&mut self, size: usize, right: Baseline, limits: &Limits) {
        self.too_few = Some(Finding::new(size, right, self.too_few, limits));
        self.best = 0.0;
    }

    /// Whether a smaller size was not seen to be too small.
    pub(super) fn may_be_enough(&self, size: usize) -> bool {
        !self
            .too_few
            .is_some_and(|found| found.left > 0 && size <= found.size)
    }

    /// Lets go of every finding.
    pub(super) fn clear_findings(&mut self) {
        self.too_many = None;
        self.too_few = None;
        self.best = 0.0;
    }

    /// Lets go of findings that were made while a connection did much more or less in a second, or while so few callers
    /// waited, held against now, that the load may have decided the throughput, and not the size.
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

    /// The most connections in use while part of the pool was not used for long enough; `None` before that.
    pub(super) fn unused_above(&self) -> Option<usize> {
        (self.quiet.windows >= self.quiet.needed).then_some(self.quiet.peak)
    }
}
