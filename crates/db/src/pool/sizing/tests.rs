use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn busy(size: usize) -> Observation {
    Observation {
        elapsed: Duration::from_secs(1),
        size,
        in_use: size as f64,
        in_use_max: size,
        waiting: 10.0,
        wait_p95: Duration::from_millis(50),
        hold_mean: Duration::from_millis(10),
        completed: 100 * size as u64,
        timeouts: 0,
        server: None,
    }
}

fn quiet(size: usize, in_use: usize) -> Observation {
    Observation {
        in_use: in_use as f64,
        in_use_max: in_use,
        waiting: 0.0,
        wait_p95: Duration::ZERO,
        ..busy(size)
    }
}

/// Applies the decisions to a server that answers a size with `seen`; returns the decision of each
/// window.
fn run(
    start: usize,
    windows: usize,
    limits: &Limits,
    mut seen: impl FnMut(usize, usize) -> Observation,
) -> Vec<(usize, Reason)> {
    let mut state = SizingState::default();
    let mut size = start;
    let mut decisions = Vec::new();
    for window in 0..windows {
        let decision = decide(&seen(window, size), &state, limits);
        (size, state) = (decision.size, decision.state);
        decisions.push((size, decision.reason));
    }
    decisions
}

fn changes(decisions: &[(usize, Reason)]) -> usize {
    decisions
        .windows(2)
        .filter(|pair| pair[0].0 != pair[1].0)
        .count()
}

fn last(decisions: &[(usize, Reason)]) -> usize {
    decisions.last().unwrap().0
}

#[test]
fn waiting_callers_grow_the_pool_while_it_helps() {
    let decisions = run(2, 60, &Limits::new(1, 64), |_, size| busy(size));
    assert_eq!(
        decisions.last(),
        Some(&(64, Reason::AtCeiling)),
        "{decisions:?}"
    );
}

#[test]
fn knee_is_found_from_below_and_from_above() {
    let knee = |_: usize, size: usize| Observation {
        completed: 100 * size.min(20) as u64,
        ..busy(size)
    };
    for start in [1, 7, 20, 33, 64] {
        let decisions = run(start, 400, &Limits::new(1, 64), knee);
        assert!(
            (18..=24).contains(&last(&decisions)),
            "{start}: {decisions:?}"
        );
        // One trial up and one down, when the findings expire.
        assert!(changes(&decisions[300..]) <= 4, "{start}: {decisions:?}");
    }
}

#[test]
fn lock_waits_prevent_growth() {
    let locked = |_: usize, size: usize| Observation {
        completed: 500,
        server: Some(ServerLoad {
            running: 1,
            lock_waiters: size / 2,
            connections_max: 97,
            others: 0,
        }),
        ..busy(size)
    };
    let decisions = run(10, 200, &Limits::new(8, 64), locked);
    assert!(
        decisions.iter().all(|(size, _)| *size <= 10),
        "{decisions:?}"
    );
    assert!(
        decisions
            .iter()
            .any(|(_, reason)| *reason == Reason::WaitingForLocks)
    );
}

#[test]
fn busy_processors_prevent_growth() {
    let saturated = |_: usize, size: usize| Observation {
        server: Some(ServerLoad {
            running: 4,
            lock_waiters: 0,
            connections_max: 97,
            others: 0,
        }),
        ..busy(size)
    };
    let mut limits = Limits::new(10, 64);
    limits.cores = Some(4);
    let decisions = run(10, 100, &limits, saturated);
    assert_eq!(decisions.last(), Some(&(10, Reason::ServerSaturated)));
    limits.cores = Some(8);
    assert!(last(&run(10, 100, &limits, saturated)) > 10);
}

#[test]
fn constant_timeouts_do_not_grow_the_pool_for_ever() {
    for completed in [0, 50] {
        let stuck = |_: usize, size: usize| Observation {
            completed,
            timeouts: 30,
            ..busy(size)
        };
        let decisions = run(5, 1000, &Limits::new(5, 1000), stuck);
        let largest = decisions.iter().map(|(size, _)| *size).max().unwrap();
        assert!(largest <= 15, "{completed}: {largest}");
        assert_eq!(last(&decisions), 5);
    }
}

#[test]
fn no_returned_connection_is_nothing_completes() {
    let leaked = |_: usize, size: usize| Observation {
        completed: 0,
        ..busy(size)
    };
    let decisions = run(5, 50, &Limits::new(1, 50), leaked);
    assert_eq!(decisions.last(), Some(&(5, Reason::NothingCompletes)));
}

#[test]
fn unused_pool_shrinks_slowly_to_its_use() {
    let decisions = run(40, 1500, &Limits::new(2, 50), |_, size| {
        quiet(size, 8.min(size))
    });
    assert_eq!(last(&decisions), 10);
    let limits = Limits::new(2, 50);
    let first = decisions.iter().position(|(size, _)| *size < 40).unwrap();
    assert!(first >= limits.quiet as usize - 1);
    for pair in decisions.windows(2) {
        assert!(pair[0].0 - pair[1].0 <= 4, "a step of more than a tenth");
    }
    assert_eq!(last(&run(40, 3000, &limits, |_, size| quiet(size, 0))), 2);
}

#[test]
fn falling_budget_is_followed_at_once_and_a_rising_one_slowly() {
    let limits = Limits {
        instances: 2,
        ..Limits::new(4, 64)
    };
    let server = |others| {
        Some(ServerLoad {
            running: 1,
            lock_waiters: 0,
            connections_max: 97,
            others,
        })
    };
    let mut decisions = run(10, 100, &limits, |window, size| Observation {
        // Two foreign connections come and go all the time.
        server: server(if window < 50 {
            17 + 2 * (window % 2)
        } else {
            95
        }),
        ..busy(size)
    });
    assert_eq!(
        decisions[50],
        (1, Reason::BudgetFell),
        "even below the floor"
    );
    decisions.truncate(50);
    assert!(decisions.iter().all(|(size, _)| *size <= 40));
    assert_eq!(last(&decisions), 39);
    // One trial of fewer, and back.
    assert!(changes(&decisions[20..]) <= 2, "{decisions:?}");
}

#[test]
fn regular_bursts_stop_the_shrinking() {
    // 30 connections are needed for 10 of every 100 windows.
    let decisions = run(30, 6000, &Limits::new(2, 50), |window, size| {
        if window % 100 < 10 && size < 30 {
            busy(size)
        } else {
            quiet(size, if window % 100 < 10 { 30 } else { 4 })
        }
    });
    assert!(
        changes(&decisions[4000..]) <= 12,
        "{}",
        changes(&decisions[4000..])
    );
}

fn observation() -> impl Strategy<Value = Observation> {
    (
        0..80_usize,
        0.0..100.0_f64,
        0..500_u64,
        0..5000_u64,
        0..3_u64,
        prop::option::of((0..20_usize, 0..20_usize, 0..120_usize, 0..120_usize)),
    )
        .prop_map(
            |(used, waiting, wait, completed, timeouts, server)| Observation {
                elapsed: Duration::from_secs(1),
                size: 0,
                in_use: used as f64,
                in_use_max: used,
                waiting,
                wait_p95: Duration::from_millis(wait),
                hold_mean: Duration::from_millis(10),
                completed,
                timeouts,
                server: server.map(
                    |(running, lock_waiters, connections_max, others)| ServerLoad {
                        running,
                        lock_waiters,
                        connections_max,
                        others,
                    },
                ),
            },
        )
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        0..10_usize,
        0..60_usize,
        1..4_usize,
        prop::option::of(1..32_usize),
    )
        .prop_map(|(floor, more, instances, cores)| Limits {
            instances,
            cores,
            ..Limits::new(floor, (floor + more).max(1))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn size_stays_within_its_bounds(
        limits in limits(),
        start in 1..100_usize,
        seen in prop::collection::vec(observation(), 1..200),
    ) {
        let mut state = SizingState::default();
        let mut size = start;
        let mut budget = usize::MAX;
        let mut last_change = None;
        for (window, mut seen) in seen.into_iter().enumerate() {
            seen.size = size;
            seen.in_use_max = seen.in_use_max.min(size);
            budget = limits.budget(seen.server.as_ref()).unwrap_or(budget);
            let decision = decide(&seen, &state, &limits);
            let ceiling = limits.ceiling.min(budget);
            prop_assert!((1..=ceiling).contains(&decision.size));
            prop_assert!(decision.size >= limits.floor.min(ceiling));
            let forced = matches!(decision.reason, Reason::BudgetFell | Reason::BelowFloor);
            if decision.size != size {
                prop_assert!(
                    forced || last_change.is_none_or(|last| window - last >= limits.cool_down as usize),
                    "two changes within the cool-down"
                );
                prop_assert!(decision.size <= size * 2 || forced);
                if decision.reason == Reason::Unused {
                    prop_assert!(decision.size >= seen.in_use_max);
                }
                last_change = Some(window);
            }
            (size, state) = (decision.size, decision.state);
        }
    }

    #[test]
    fn constant_observation_settles(limits in limits(), start in 1..70_usize, seen in observation()) {
        let mut full = seen;
        full.in_use_max = usize::MAX;
        let decisions = run(start, 4000, &limits, |_, size| Observation {
            size,
            in_use_max: seen.in_use_max.min(size),
            ..full
        });
        // A finding is tested again after its retention, which has grown to 8 times 120 windows by
        // then.
        prop_assert!(changes(&decisions[2000..]) <= 8, "{:?}", changes(&decisions[2000..]));
    }

    #[test]
    fn size_is_monotonic_in_pressure_and_budget(
        size in 2..40_usize,
        waiting in 1.0..40.0_f64,
        more in 0.0..40.0_f64,
        locked in 0..40_usize,
        others in 0..90_usize,
    ) {
        let limits = Limits::new(2, 60);
        let first_change = |waiting: f64, lock_waiters: usize, others: usize| {
            let decisions = run(size, 5, &limits, |_, size| Observation {
                waiting,
                server: Some(ServerLoad { running: 0, lock_waiters, connections_max: 97, others }),
                ..busy(size)
            });
            decisions.iter().map(|(size, _)| *size).find(|now| *now != size).unwrap_or(size)
        };
        let plain = first_change(waiting, 0, 10);
        prop_assert!(first_change(waiting + more, 0, 10) >= plain);
        prop_assert!(first_change(waiting, locked, 10) <= plain);
        prop_assert!(first_change(waiting, 0, 10 + others) <= plain);
    }
}
