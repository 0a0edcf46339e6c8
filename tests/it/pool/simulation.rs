//! Automatic sizing on a simulated server with a knee, under every kind of load.

#![allow(
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "rates for a report, no money"
)]

use neobank_db::pool::Reason;
use neobank_tests::pool_simulation::{
    Scenario, Size, best_fixed, changes, scenarios, simulate, throughput,
};

fn scenario(name: &str) -> Scenario {
    scenarios()
        .into_iter()
        .find(|scenario| scenario.name == name)
        .unwrap()
}

/// Checks each seed: at least nine tenths of the best fixed size's throughput, within the budget in
/// every second, and settled in the end.
fn assert_good(name: &str, most_changes: usize) {
    let scenario = scenario(name);
    let (best_size, best) = best_fixed(&scenario, 1);
    for seed in 1..=4 {
        let seconds = simulate(&scenario, Size::Automatic, seed);
        let found = throughput(&scenario, &seconds);
        let settled = &seconds[scenario.warm_up as usize..];
        let end = &seconds[seconds.len() - 200..];
        let report = format!(
            "{name}, seed {seed}: {found:.0}/s of {best:.0}/s at the best fixed size {best_size} ({:.1} %), \
             {} changes after the warm-up, {} of them in the last 200 s, at the end {}",
            100.0 * found / best,
            changes(settled),
            changes(end),
            end[199].size
        );
        println!("{report}");
        assert!(found >= 0.9 * best, "too slow: {report}");
        assert!(changes(settled) <= most_changes, "it oscillates: {report}");
        // At most one search of a few undone trials, when the findings expire.
        assert!(changes(end) <= 12, "it does not settle: {report}");
        // The pool follows the load of one second's end in the next second.
        for pair in seconds.windows(2) {
            assert!(pair[1].size <= pair[0].budget, "above the budget: {report}");
        }
    }
}

#[test]
fn step_in_the_load_settles() {
    assert_good("step", 12);
}

#[test]
fn bursts_settle() {
    assert_good("burst", 30);
}

#[test]
fn ramp_settles() {
    assert_good("ramp", 30);
}

#[test]
fn lock_storm_does_not_grow_the_pool() {
    assert_good("lock storm", 30);
    let scenario = scenario("lock storm");
    let seconds = simulate(&scenario, Size::Automatic, 1);
    let storm = &seconds[245..360];
    assert!(storm.windows(2).all(|pair| {
        pair[1].size <= pair[0].size || pair[0].reason == Some(Reason::FewerUndone)
    }));
}

#[test]
fn constant_timeouts_do_not_grow_the_pool() {
    assert_good("constant timeouts", 12);
}

#[test]
fn moving_knee_is_followed() {
    assert_good("moved knee", 30);
}

#[test]
fn soft_knee_is_found() {
    assert_good("soft knee", 30);
}

#[test]
fn falling_budget_is_followed() {
    assert_good("budget", 30);
    let scenario = scenario("budget");
    let seconds = simulate(&scenario, Size::Automatic, 1);
    for pair in seconds.windows(2) {
        assert!(pair[1].size <= pair[0].budget, "above the budget");
    }
    assert_eq!(seconds[300].size, 10, "a half of 97 - 77");
    assert!(
        seconds[599].size > 30,
        "it comes back when others have gone"
    );
    assert!(changes(&seconds[120..]) <= 16);
}

#[test]
fn same_seed_gives_the_same_numbers() {
    let scenario = scenario("burst");
    let sizes = || -> Vec<_> {
        simulate(&scenario, Size::Automatic, 1)
            .iter()
            .map(|second| (second.size, second.completed))
            .collect()
    };
    assert_eq!(sizes(), sizes());
}
