//! A ledger in memory, under a load of concurrent callers in simulated time. It can be broken on
//! purpose, which shows that the checker finds what it looks for.

mod defect;
mod ledger;
mod load;
mod run;

pub use defect::Defect;

use crate::books::Books;
use crate::checker::{Violation, check_by_rules};
use crate::reader::History;

/// A load on the ledger in memory. The same settings give the same history.
///
/// # Example
///
/// ```
/// use neobank_torture::simulation::{Defect, Settings};
///
/// let settings = Settings::new(9).with_defect(Defect::LostUpdate).with_calls(100);
/// assert_eq!((settings.seed, settings.calls), (9, 100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The seed of all choices.
    pub seed: u64,
    /// The defect of the ledger; `None` for one that is right.
    pub defect: Option<Defect>,
    /// The number of customers' accounts.
    pub accounts: u32,
    /// The number of callers, each of which makes one call after the other.
    pub callers: u32,
    /// The number of calls, before those that repeat requests of unknown outcome.
    pub calls: u32,
}

impl Settings {
    /// Returns a load of a seed on a right ledger.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            defect: None,
            accounts: 5,
            callers: 8,
            calls: 600,
        }
    }

    /// Returns the same load on a ledger with a defect.
    #[must_use]
    pub const fn with_defect(mut self, defect: Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// Returns a load of another number of calls.
    #[must_use]
    pub const fn with_calls(mut self, calls: u32) -> Self {
        self.calls = calls;
        self
    }
}

/// Runs a load, and returns its history and the books of the ledger after it.
///
/// # Example
///
/// ```
/// use neobank_torture::simulation::{Settings, simulate};
///
/// let (history, books) = simulate(&Settings::new(1));
/// assert_eq!(simulate(&Settings::new(1)), (history, books));
/// ```
#[must_use]
pub fn simulate(settings: &Settings) -> (History, Books) {
    run::Run::new(settings).finish()
}

/// Runs a load of a seed on each broken ledger, and returns its defect and the violations that the
/// rules of our own find.
///
/// # Example
///
/// ```
/// use neobank_torture::simulation::broken_ledgers;
///
/// for (defect, violations) in broken_ledgers(42) {
///     assert!(!violations.is_empty(), "{} was not found", defect.name());
/// }
/// ```
#[must_use]
pub fn broken_ledgers(seed: u64) -> Vec<(Defect, Vec<Violation>)> {
    let defects = Defect::ALL.into_iter();
    defects
        .map(|defect| {
            let (history, books) = simulate(&Settings::new(seed).with_defect(defect));
            (defect, check_by_rules(&history, &books).violations)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::{Report, check};

    fn checked(settings: &Settings) -> Report {
        let (history, books) = simulate(settings);
        check(&history, &books)
    }

    #[test]
    fn right_ledger_has_no_violation() {
        for seed in 0..60 {
            let report = checked(&Settings::new(seed));
            let first = report.violations.first();
            assert_eq!(first, None, "seed {seed}: {}", first.unwrap());
        }
    }

    #[test]
    fn load_has_every_kind_of_call_and_answer() {
        let checked = checked(&Settings::new(3)).checked;
        let counts = [
            checked.acknowledged,
            checked.rejected,
            checked.unknown,
            checked.repeated,
            checked.holds,
            checked.reversals,
            checked.covering_reads,
            checked.entries_reads,
        ];
        assert!(counts.iter().all(|count| *count > 5), "{checked}");
    }

    #[test]
    fn each_broken_ledger_violates_its_invariant_at_every_seed() {
        for defect in Defect::ALL {
            for seed in 0..20 {
                let report = checked(&Settings::new(seed).with_defect(defect));
                assert!(
                    report.violates(defect.violates()),
                    "seed {seed}: {} was not found as {}: {:?}",
                    defect.name(),
                    defect.violates(),
                    report.violations.first(),
                );
            }
        }
    }
}
