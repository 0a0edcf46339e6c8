//! The verdicts on pools and connections: pure functions of the facts.

use serde::Serialize;

use super::facts::PoolFacts;
use super::server::ServerFacts;
use crate::checks::Severity;
use crate::checks::thresholds::{PoolHealthThresholds, Thresholds};

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealthCheck {
    /// The name of the check: `pool <its name>`, `connection_utilization`, `idle_in_transaction`.
    pub check_name: String,
    /// The severity.
    pub status: Severity,
    /// The verdict on a pool.
    pub verdict: Option<PoolVerdict>,
    /// The observed value.
    pub current_value: String,
    /// The advice for the operator.
    pub recommendation: String,
}

/// The diagnosis of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PoolVerdict {
    /// The pool has no problem.
    Healthy,
    /// Callers wait, and the pool's sessions work at this moment: more connections would help.
    TooSmall,
    /// Callers wait, and the pool's sessions wait for locks: more connections would wait too.
    Contention,
    /// The pool's sessions are idle in transactions while callers wait, or such sessions fill the
    /// pool: the application did not return a connection, or holds it during a slow operation.
    Leak,
    /// Most of its connections were never used.
    TooLarge,
    /// There are too few samples, its sessions are hidden from the role or not tracked, or callers
    /// waited and the sessions do not explain it.
    Unknown,
}

/// Returns the verdict on a pool. The causes of waiting are tried in the order of the harm that
/// more connections would do.
#[must_use]
pub fn verdict(facts: &PoolFacts, thresholds: &PoolHealthThresholds) -> PoolVerdict {
    let is_share = |part: i64, of: i64, percent: u64| {
        of > 0 && i128::from(part) * 100 >= i128::from(of) * i128::from(percent)
    };
    let callers_wait = facts.waiting_samples > 0
        && is_share(
            facts.waiting_samples,
            facts.samples,
            thresholds.waiting_samples_percent,
        );
    // Held transactions that fill the pool show it, however few the samples are; fewer of them harm
    // only waiting callers.
    let pool_size = i64::from(facts.peak_connections).max(facts.busy);
    let fill_the_pool = is_share(facts.held, pool_size, thresholds.held_percent);
    let are_most = is_share(facts.held, facts.busy, thresholds.held_percent);
    if facts.held > 0 && (fill_the_pool || (callers_wait && are_most)) {
        return PoolVerdict::Leak;
    }
    if has_too_few_samples(facts, thresholds) {
        return PoolVerdict::Unknown;
    }
    if callers_wait {
        let locked = facts.lock_waiting > 0
            && is_share(
                facts.lock_waiting,
                facts.busy,
                thresholds.lock_waiting_percent,
            );
        return if locked {
            PoolVerdict::Contention
        } else if facts.hidden > 0 || !is_at_work(facts) {
            // The cause of the wait is unknown then, and more connections might only wait too.
            PoolVerdict::Unknown
        } else {
            PoolVerdict::TooSmall
        };
    }
    let unused = i64::from(facts.peak_connections) - i64::from(facts.peak_active);
    let is_little_used = i128::from(facts.peak_active) * 100
        <= i128::from(facts.peak_connections) * i128::from(thresholds.use_low_percent);
    // Rare waits are no reason to remove connections.
    let no_caller_waited = facts.waiting_samples == 0;
    if no_caller_waited
        && is_little_used
        && i128::from(unused) > i128::from(thresholds.spare_connections)
    {
        return PoolVerdict::TooLarge;
    }
    PoolVerdict::Healthy
}

fn has_too_few_samples(facts: &PoolFacts, thresholds: &PoolHealthThresholds) -> bool {
    i128::from(facts.samples) < i128::from(thresholds.samples_min)
}

/// Returns `true` if the pool's use at this moment is near its peak. Samples cover minutes: the
/// cause of a wait may be over, and a pool that cannot connect has waiting callers and no sessions.
fn is_at_work(facts: &PoolFacts) -> bool {
    facts.busy > 0 && i128::from(facts.busy) * 2 >= i128::from(facts.peak_active)
}

/// Returns the line about a pool. `pooling.check_pool_health()` has the same texts; a test compares
/// them.
#[must_use]
pub fn check_pool(facts: &PoolFacts, thresholds: &PoolHealthThresholds) -> HealthCheck {
    let verdict = verdict(facts, thresholds);
    let (status, recommendation) = match verdict {
        PoolVerdict::Healthy => (Severity::Ok, "Nothing to do."),
        PoolVerdict::TooSmall => (
            Severity::Critical,
            "Callers wait while every connection is busy: make the pool larger, as far as the server allows.",
        ),
        PoolVerdict::Contention => (
            Severity::Critical,
            "Its sessions wait for locks: look at the blocking sessions; more connections would only wait too.",
        ),
        PoolVerdict::Leak => (
            Severity::Critical,
            "Its sessions are idle in transactions: find the code that does not return connections, or holds them during a slow operation.",
        ),
        PoolVerdict::TooLarge => (
            Severity::Warning,
            "Most of its connections are never used: make the pool smaller, and leave the connections to others.",
        ),
        PoolVerdict::Unknown if !has_too_few_samples(facts, thresholds) && facts.hidden == 0 => (
            Severity::Unknown,
            "Callers waited, but too few of its sessions are busy now to show why: check again while callers wait, and check that the pool can connect.",
        ),
        PoolVerdict::Unknown => (
            Severity::Unknown,
            "There are too few samples, or the activity of its sessions is hidden: record samples, use a role with the privileges of pg_monitor, and check that track_activities is on.",
        ),
    };
    HealthCheck {
        check_name: format!("pool {}", facts.pool_name),
        status,
        verdict: Some(verdict),
        current_value: format!(
            "{} of {} samples with waiting callers, {} ms at most; {} of {} connections in use at most; now {} busy, {} of them waiting for locks, {} held",
            facts.waiting_samples,
            facts.samples,
            facts.longest_wait_ms,
            facts.peak_active,
            facts.peak_connections,
            facts.busy,
            facts.lock_waiting,
            facts.held
        ),
        recommendation: recommendation.to_owned(),
    }
}

/// Returns the lines about the server.
#[must_use]
pub fn check_server(facts: &ServerFacts, thresholds: &Thresholds) -> Vec<HealthCheck> {
    let reaches = |percent: u64| {
        i128::from(facts.tightest_used) * 100
            >= i128::from(facts.tightest_usable) * i128::from(percent)
    };
    let of_whom = match &facts.tightest_name {
        Some(name) => format!(", of all that the {} {name} allows", facts.tightest_scope),
        None => String::new(),
    };
    let (status, recommendation) = if reaches(thresholds.connections.usage_critical_percent) {
        (
            Severity::Critical,
            "Make pools smaller, or put a pooler in front: soon no client can connect.",
        )
    } else if reaches(thresholds.connections.usage_warning_percent) {
        (
            Severity::Warning,
            "Make pools smaller, or put a pooler in front.",
        )
    } else {
        (Severity::Ok, "Nothing to do.")
    };
    let utilization = HealthCheck {
        check_name: "connection_utilization".to_owned(),
        status,
        verdict: None,
        current_value: format!(
            "{} of {} usable{of_whom}",
            facts.tightest_used, facts.tightest_usable
        ),
        recommendation: recommendation.to_owned(),
    };
    let (status, recommendation) = if facts.idle_in_transaction_critical > 0 {
        (
            Severity::Critical,
            "End these transactions: they hold locks, and keep dead rows from being cleaned up.",
        )
    } else if facts.idle_in_transaction > 0 {
        (
            Severity::Warning,
            "Find the code that left these transactions open.",
        )
    } else if facts.hidden > 0 {
        (
            Severity::Unknown,
            "Sessions are hidden from this role: use a role with the privileges of pg_monitor.",
        )
    } else if facts.untracked > 0 {
        (
            Severity::Unknown,
            "The activity of sessions is not tracked: turn track_activities on for them.",
        )
    } else {
        (Severity::Ok, "Nothing to do.")
    };
    let left_open = HealthCheck {
        check_name: "idle_in_transaction".to_owned(),
        status,
        verdict: None,
        current_value: [
            (facts.hidden, "sessions are hidden"),
            (facts.untracked, "sessions are not tracked"),
        ]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .fold(
            facts.idle_in_transaction.to_string(),
            |text, (number, what)| format!("{text}, and {number} {what}"),
        ),
        recommendation: recommendation.to_owned(),
    };
    vec![utilization, left_open]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts() -> PoolFacts {
        PoolFacts {
            pool_name: "teller".to_owned(),
            samples: 10,
            peak_active: 8,
            peak_connections: 10,
            busy: 8,
            ..PoolFacts::default()
        }
    }

    fn of(change: impl FnOnce(&mut PoolFacts)) -> PoolVerdict {
        let mut facts = facts();
        change(&mut facts);
        verdict(&facts, &PoolHealthThresholds::default())
    }

    #[test]
    fn every_verdict_is_reachable() {
        assert_eq!(of(|_| {}), PoolVerdict::Healthy);
        assert_eq!(of(|facts| facts.waiting_samples = 5), PoolVerdict::TooSmall);
        assert_eq!(of(|facts| facts.waiting_samples = 4), PoolVerdict::Healthy);
        assert_eq!(
            of(|facts| (facts.waiting_samples, facts.lock_waiting) = (5, 2)),
            PoolVerdict::Contention
        );
        assert_eq!(
            of(|facts| (facts.waiting_samples, facts.lock_waiting) = (5, 1)),
            PoolVerdict::TooSmall
        );
        assert_eq!(
            of(|facts| (facts.waiting_samples, facts.lock_waiting, facts.held) = (5, 4, 4)),
            PoolVerdict::Leak
        );
        assert_eq!(of(|facts| facts.held = 3), PoolVerdict::Healthy);
        assert_eq!(of(|facts| facts.held = 4), PoolVerdict::Healthy);
        assert_eq!(of(|facts| facts.held = 5), PoolVerdict::Leak);
        assert_eq!(of(|facts| facts.peak_active = 2), PoolVerdict::TooLarge);
        assert_eq!(
            of(|facts| (facts.peak_active, facts.waiting_samples) = (2, 1)),
            PoolVerdict::Healthy
        );
        assert_eq!(
            of(|facts| (facts.peak_active, facts.peak_connections) = (0, 2)),
            PoolVerdict::Healthy
        );
        assert_eq!(
            of(|facts| (facts.samples, facts.waiting_samples) = (2, 2)),
            PoolVerdict::Unknown
        );
    }

    #[test]
    fn one_held_transaction_in_a_large_pool_is_no_leak_without_waiting_callers() {
        let of_twenty = |change: fn(&mut PoolFacts)| {
            of(|facts| {
                (facts.peak_connections, facts.peak_active) = (20, 19);
                (facts.busy, facts.held) = (1, 1);
                change(facts);
            })
        };
        assert_eq!(of_twenty(|_| {}), PoolVerdict::Healthy);
        assert_eq!(
            of_twenty(|facts| facts.waiting_samples = 1),
            PoolVerdict::Healthy
        );
        assert_eq!(
            of_twenty(|facts| facts.waiting_samples = 5),
            PoolVerdict::Leak
        );
        assert_eq!(
            of_twenty(|facts| (facts.samples, facts.busy, facts.held) = (1, 10, 10)),
            PoolVerdict::Leak
        );
    }

    #[test]
    fn past_waits_are_no_reason_for_a_larger_pool() {
        let waited = |busy, hidden| {
            let mut facts = facts();
            (facts.waiting_samples, facts.busy, facts.hidden) = (10, busy, hidden);
            check_pool(&facts, &PoolHealthThresholds::default())
        };
        for busy in [0, 3] {
            let check = waited(busy, 0);
            assert_eq!(
                (check.verdict, check.status),
                (Some(PoolVerdict::Unknown), Severity::Unknown)
            );
            assert!(
                check
                    .recommendation
                    .contains("check again while callers wait")
            );
            assert!(waited(busy, 1).recommendation.contains("pg_monitor"));
        }
        assert_eq!(waited(4, 0).verdict, Some(PoolVerdict::TooSmall));
    }

    #[test]
    fn hidden_sessions_give_no_advice() {
        assert_eq!(
            of(|facts| (facts.waiting_samples, facts.hidden) = (5, 4)),
            PoolVerdict::Unknown
        );
    }

    #[test]
    fn server_is_judged_by_its_usable_connections() {
        let statuses = |used, hidden, untracked, left_open, critical| {
            let facts = ServerFacts {
                usable_connections: 100,
                used_connections: used,
                tightest_scope: "server".to_owned(),
                tightest_name: None,
                tightest_usable: 100,
                tightest_used: used,
                hidden,
                untracked,
                idle_in_transaction: left_open,
                idle_in_transaction_critical: critical,
            };
            let found = check_server(&facts, &Thresholds::default());
            (found[0].status, found[1].status)
        };
        assert_eq!(statuses(69, 0, 0, 0, 0), (Severity::Ok, Severity::Ok));
        assert_eq!(
            statuses(70, 1, 1, 1, 0),
            (Severity::Warning, Severity::Warning)
        );
        assert_eq!(
            statuses(90, 1, 1, 2, 1),
            (Severity::Critical, Severity::Critical)
        );
        assert_eq!(statuses(69, 1, 0, 0, 0), (Severity::Ok, Severity::Unknown));
        assert_eq!(statuses(69, 0, 1, 0, 0), (Severity::Ok, Severity::Unknown));
    }

    proptest! {
        /// More connections are never advised where sessions wait for locks, are held or do not
        /// work at this moment, and fewer are never advised where callers wait.
        #[test]
        fn advice_never_increases_contention_or_waits(
            samples in 0_i64..100, waiting in 0_i64..100, active in 0_i32..100, idle in 0_i32..100, busy in 0_i64..100,
            locked in 0_i64..100, held in 0_i64..100, hidden in 0_i64..2,
        ) {
            let facts = PoolFacts {
                samples,
                waiting_samples: waiting.min(samples),
                peak_active: active,
                peak_connections: active + idle,
                busy,
                lock_waiting: locked.min(busy),
                held: held.min(busy),
                hidden,
                ..PoolFacts::default()
            };
            match verdict(&facts, &PoolHealthThresholds::default()) {
                PoolVerdict::TooSmall => prop_assert!(
                    facts.waiting_samples > 0 && facts.lock_waiting * 4 <= busy && facts.held * 2 <= busy
                        && busy > 0 && busy * 2 >= i64::from(active) && hidden == 0
                ),
                PoolVerdict::TooLarge => prop_assert!(facts.waiting_samples == 0 && idle > 2),
                PoolVerdict::Unknown => prop_assert!(
                    samples < 3 || (facts.waiting_samples > 0 && (hidden > 0 || busy * 2 < i64::from(active).max(1)))
                ),
                PoolVerdict::Leak => prop_assert!(
                    facts.held > 0
                        && (facts.waiting_samples > 0 || facts.held * 2 >= i64::from(facts.peak_connections).max(busy))
                ),
                _ => prop_assert!(samples >= 3),
            }
        }

        #[test]
        fn no_number_panics(numbers in any::<[i64; 7]>(), peaks in any::<[i32; 2]>()) {
            let [samples, waiting_samples, longest_wait_ms, busy, lock_waiting, held, hidden] = numbers;
            let facts = PoolFacts {
                pool_name: String::new(), samples, waiting_samples, longest_wait_ms, peak_active: peaks[0],
                peak_connections: peaks[1], busy, lock_waiting, held, hidden,
            };
            let _ = check_pool(&facts, &PoolHealthThresholds::default());
        }
    }
}
