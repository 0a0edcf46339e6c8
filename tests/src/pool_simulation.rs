//! A simulated pool in front of a server with a knee, in virtual time, for the function that sizes the pool.
//!
//! The server does more work with more sessions up to its knee; beyond it every further session slows all of them down.
//! Callers come at random (Poisson), hold a connection for a random time (exponential), wait in a queue and give up after a
//! limit. Everything follows from the seed: the same scenario always gives the same numbers.

use std::collections::VecDeque;
use std::time::Duration;

use neobank_db::pool::{Limits, Observation, Reason, ServerLoad, SizingState, decide};

/// How often jobs move on, in seconds.
const TICK: f64 = 0.01;

/// The fixed sizes that the automatic one is held against.
const FIXED_SIZES: [usize; 14] = [2, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 64];

/// A load and a server, as they go on in time.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// A short name.
    pub name: &'static str,
    /// What happens in it, for people.
    pub story: &'static str,
    /// How long it takes, in seconds.
    pub seconds: u32,
    /// The first part of it, in which sizes are still being looked for, in seconds.
    pub warm_up: u32,
    /// How long a caller waits for a connection, in seconds.
    pub acquire_timeout: f64,
    /// Callers per second at a time.
    pub arrivals: fn(f64) -> f64,
    /// The server at a time.
    pub server: fn(f64) -> Server,
    /// Bounds of the size.
    pub limits: fn() -> Limits,
}

/// A server at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// How long one connection is held while no other caller is there, in seconds, on average.
    pub hold: f64,
    /// Sessions up to which they do not slow each other down.
    pub knee: f64,
    /// How much slower everything is at twice the knee: 1 means half as fast as at the knee.
    pub contention: f64,
    /// What each further session costs all others even below the knee, as in Gunther's law; 0 for a sharp knee.
    pub softness: f64,
    /// Whether sessions above the knee wait for locks, and can be seen to.
    pub locks: bool,
    /// Connections of others, out of 97.
    pub others: usize,
}

/// How the size of the pool is found.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    /// It stays this.
    Fixed(usize),
    /// By the function under test.
    Automatic,
}

/// One second of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Second {
    /// Callers that came.
    pub arrived: u64,
    /// Connections that came back.
    pub completed: u64,
    /// Callers that gave up.
    pub timeouts: u64,
    /// The size in force.
    pub size: usize,
    /// What the server's budget allowed.
    pub budget: usize,
    /// Connections in use, averaged.
    pub in_use: f64,
    /// Callers that waited, averaged.
    pub waiting: f64,
    /// The wait that 95 of 100 callers did not exceed.
    pub wait_p95: Duration,
    /// Why the size of the next second was decided on.
    pub reason: Option<Reason>,
}

/// Every scenario.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    let limits = || Limits::new(2, 64);
    vec![
        Scenario {
            name: "step",
            story: "from a quiet minute to more callers than the server can serve; the knee is at 24",
            seconds: 600,
            warm_up: 150,
            acquire_timeout: 2.0,
            arrivals: |time| if time < 60.0 { 30.0 } else { 700.0 },
            server: |_| Server::with_knee(24.0),
            limits,
        },
        Scenario {
            name: "burst",
            story: "fifteen seconds of many callers in every minute; the knee is at 24",
            seconds: 900,
            warm_up: 200,
            acquire_timeout: 5.0,
            arrivals: |time| if time % 60.0 < 15.0 { 420.0 } else { 60.0 },
            server: |_| Server::with_knee(24.0),
            limits,
        },
        Scenario {
            name: "ramp",
            story: "callers that become more for ten minutes, to twice what the server can serve; the knee is at 16",
            seconds: 900,
            warm_up: 120,
            acquire_timeout: 2.0,
            arrivals: |time| (time * 1.2).min(640.0),
            server: |_| Server::with_knee(16.0),
            limits,
        },
        Scenario {
            name: "lock storm",
            story: "for two minutes all but three sessions wait for one lock",
            seconds: 700,
            warm_up: 120,
            acquire_timeout: 2.0,
            arrivals: |_| 350.0,
            server: |time| {
                if (240.0..360.0).contains(&time) {
                    Server {
                        knee: 3.0,
                        contention: 0.1,
                        locks: true,
                        ..Server::with_knee(24.0)
                    }
                } else {
                    Server::with_knee(24.0)
                }
            },
            limits,
        },
        Scenario {
            name: "constant timeouts",
            story: "ten times more callers than the server can serve, so that most time out; the knee is at 8",
            seconds: 600,
            warm_up: 150,
            acquire_timeout: 0.3,
            arrivals: |_| 1600.0,
            server: |_| Server::with_knee(8.0),
            limits,
        },
        Scenario {
            name: "moved knee",
            story: "after five minutes the load becomes a heavier one, and the knee moves from 32 to 12",
            seconds: 900,
            warm_up: 120,
            acquire_timeout: 2.0,
            arrivals: |_| 900.0,
            server: |time| Server::with_knee(if time < 300.0 { 32.0 } else { 12.0 }),
            limits,
        },
        Scenario {
            name: "soft knee",
            story: "every session slows the others down a little, so that throughput rises ever more slowly up to 40",
            seconds: 600,
            warm_up: 200,
            acquire_timeout: 2.0,
            arrivals: |_| 500.0,
            server: |_| Server {
                softness: 0.08,
                ..Server::with_knee(40.0)
            },
            limits,
        },
        Scenario {
            name: "budget",
            story: "others take most of the server's connections for three minutes; two instances share the rest",
            seconds: 600,
            warm_up: 120,
            acquire_timeout: 2.0,
            arrivals: |_| 900.0,
            server: |time| Server {
                others: if (200.0..380.0).contains(&time) {
                    77
                } else {
                    10 + usize::from(time % 7.0 < 2.0)
                },
                ..Server::with_knee(40.0)
            },
            limits: || {
                let mut limits = Limits::new(2, 64);
                limits.instances = 2;
                limits
            },
        },
    ]
}

impl Server {
    /// A server with connections held for 50 ms on average.
    #[must_use]
    pub fn with_knee(knee: f64) -> Self {
        Self {
            hold: 0.05,
            knee,
            contention: 0.8,
            softness: 0.0,
            locks: false,
            others: 10,
        }
    }

    /// How fast one of this many sessions goes; 1 is as fast as alone.
    fn speed(&self, sessions: usize) -> f64 {
        let sessions = sessions.max(1) as f64;
        let above = ((sessions - self.knee) / self.knee).max(0.0);
        (self.knee / sessions).min(1.0)
            / (1.0 + self.contention * above)
            / (1.0 + self.softness * (sessions - 1.0))
    }

    fn load(&self, sessions: usize) -> ServerLoad {
        let above = (sessions as f64 - self.knee).max(0.0) as usize;
        let mut load = ServerLoad::new(97);
        load.running = sessions - above;
        load.lock_waiters = if self.locks { above } else { 0 };
        load.others = self.others;
        load
    }
}

/// Plays a scenario, and returns what happened in each second.
#[must_use]
pub fn simulate(scenario: &Scenario, how: Size, seed: u64) -> Vec<Second> {
    let limits = (scenario.limits)();
    let mut random = Random(0x5EED_0000_0000_0000 | seed | 1 << 40);
    let mut state = SizingState::default();
    let mut size = match how {
        Size::Fixed(size) => size,
        Size::Automatic => limits.floor,
    };
    let mut queue: VecDeque<f64> = VecDeque::new();
    let mut jobs: Vec<f64> = Vec::new();
    let mut seconds = Vec::new();
    let ticks = (1.0 / TICK) as u32;
    for second in 0..scenario.seconds {
        let mut waits = Vec::new();
        let (mut arrived, mut completed, mut timeouts) = (0, 0, 0);
        let (mut in_use, mut in_use_max, mut waiting) = (0.0, 0, 0.0);
        for tick in 0..ticks {
            let now = f64::from(second) + f64::from(tick) * TICK;
            let server = (scenario.server)(now);
            let coming = random.poisson((scenario.arrivals)(now) * TICK);
            arrived += coming;
            queue.extend((0..coming).map(|_| now));
            while let Some(came) = queue.front().copied() {
                if now - came > scenario.acquire_timeout {
                    timeouts += 1;
                } else if jobs.len() < size {
                    jobs.push(random.exponential(server.hold));
                    waits.push(now - came);
                } else {
                    break;
                }
                queue.pop_front();
            }
            let step = TICK * server.speed(jobs.len());
            in_use += jobs.len() as f64 * TICK;
            in_use_max = in_use_max.max(jobs.len());
            waiting += queue.len() as f64 * TICK;
            let before = jobs.len();
            jobs.retain_mut(|left| {
                *left -= step;
                *left > 0.0
            });
            completed += (before - jobs.len()) as u64;
        }
        let server = (scenario.server)(f64::from(second) + 1.0 - TICK);
        let load = server.load(jobs.len());
        waits.sort_by(f64::total_cmp);
        let wait_p95 = waits
            .get(waits.len() * 95 / 100)
            .map_or(Duration::ZERO, |wait| Duration::from_secs_f64(*wait));
        let mut seen = Second {
            arrived,
            completed,
            timeouts,
            size,
            budget: limits.budget(Some(&load)).unwrap_or(usize::MAX),
            in_use,
            waiting,
            wait_p95,
            reason: None,
        };
        if matches!(how, Size::Automatic) {
            let mut observation = Observation::new(Duration::from_secs(1), size);
            observation.in_use = in_use;
            observation.in_use_max = in_use_max;
            observation.waiting = waiting;
            observation.wait_p95 = wait_p95;
            observation.hold_mean = Duration::from_secs_f64(in_use / (completed.max(1) as f64));
            observation.completed = completed;
            observation.timeouts = timeouts;
            observation.server = Some(load);
            let decision = decide(&observation, &state, &limits);
            (size, state) = (decision.size, decision.state);
            seen.reason = Some(decision.reason);
        }
        seconds.push(seen);
    }
    seconds
}

/// Connections that came back per second, after the warm-up.
#[must_use]
pub fn throughput(scenario: &Scenario, seconds: &[Second]) -> f64 {
    let measured = &seconds[scenario.warm_up as usize..];
    measured.iter().map(|second| second.completed).sum::<u64>() as f64 / measured.len() as f64
}

/// The fixed size with the best throughput, and that throughput. A size above the budget of any second does not count.
#[must_use]
pub fn best_fixed(scenario: &Scenario, seed: u64) -> (usize, f64) {
    let limits = (scenario.limits)();
    let seconds = simulate(scenario, Size::Fixed(1), seed);
    let budget = seconds.iter().map(|second| second.budget).min();
    let budget = budget.unwrap_or(usize::MAX);
    FIXED_SIZES
        .into_iter()
        .filter(|size| *size <= limits.ceiling.min(budget))
        .map(|size| {
            let seconds = simulate(scenario, Size::Fixed(size), seed);
            (size, throughput(scenario, &seconds))
        })
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .unwrap_or((0, 0.0))
}

/// How often the size changed.
#[must_use]
pub fn changes(seconds: &[Second]) -> usize {
    seconds
        .windows(2)
        .filter(|pair| pair[0].size != pair[1].size)
        .count()
}

/// xorshift64* (S. Vigna): quick, and the same everywhere.
struct Random(u64);

impl Random {
    /// Between 0, not included, and 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        (bits as f64 + 1.0) / 9_007_199_254_740_993.0
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    /// By Knuth's method; the mean is small here.
    fn poisson(&mut self, mean: f64) -> u64 {
        let limit = (-mean).exp();
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }
}
