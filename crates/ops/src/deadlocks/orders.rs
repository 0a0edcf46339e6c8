//! In which order sessions take their locks.

use std::collections::BTreeMap;

use neobank_db::{FromQueryResult, Statement};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// Different pairs of locks that a history remembers; further ones are not taken in, so that its memory has a limit.
pub const PAIRS_MAX: usize = 10_000;

/// A session has one thing and waits for another: that is its order. Tables (whatever rows of them) and advisory locks of
/// the monitor's own database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct LockOrder {
    /// The session.
    pub process_id: i32,
    /// What it has, in a mode that is more than reading.
    pub held: String,
    /// What it waits for, or in which table it waits for a row.
    pub wanted: String,
}

/// The text of the question: the orders of all who wait now.
#[must_use]
pub fn statement() -> Statement {
    neobank_db::statement(include_str!("orders.sql"), [])
}

/// Orders that were seen in several samples: two sessions need not wait at the same time to be a danger to each other.
///
/// # Example
///
/// ```
/// use neobank_ops::deadlocks::LockOrderHistory;
///
/// let mut history = LockOrderHistory::default();
/// history.observe_pair("banking.accounts", "banking.customers");
/// assert!(history.inversions().is_empty());
/// history.observe_pair("banking.customers", "banking.accounts");
/// assert_eq!(history.inversions(), [("banking.accounts", "banking.customers")]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct LockOrderHistory {
    /// How often each order was seen.
    seen: BTreeMap<(String, String), u64>,
}

impl LockOrderHistory {
    /// Takes a sample in.
    pub fn observe(&mut self, sample: &[LockOrder]) {
        for order in sample {
            self.observe_pair(&order.held, &order.wanted);
        }
    }

    /// Takes one order in: `held` was there when `wanted` was asked for.
    pub fn observe_pair(&mut self, held: &str, wanted: &str) {
        let pair = (held.to_owned(), wanted.to_owned());
        if held != wanted && (self.seen.len() < PAIRS_MAX || self.seen.contains_key(&pair)) {
            *self.seen.entry(pair).or_default() += 1;
        }
    }

    /// Pairs that were seen in both orders, each named once, by the alphabet.
    #[must_use]
    pub fn inversions(&self) -> Vec<(&str, &str)> {
        self.seen
            .keys()
            .filter(|(held, wanted)| {
                held < wanted && self.seen.contains_key(&(wanted.clone(), held.clone()))
            })
            .map(|(held, wanted)| (held.as_str(), wanted.as_str()))
            .collect()
    }
}

impl Monitor {
    /// The orders of all who wait now, for a [`LockOrderHistory`].
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn lock_orders(&self) -> Result<Section<Vec<LockOrder>>, OpsError> {
        self.section(statement()).await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_text_is_what_was_looked_at() {
        insta::assert_snapshot!("lock_orders", readable(&statement()));
    }

    #[test]
    fn its_memory_has_a_limit() {
        let mut history = LockOrderHistory::default();
        for number in 0..PAIRS_MAX + 10 {
            history.observe_pair("a", &number.to_string());
        }
        assert_eq!(history.seen.len(), PAIRS_MAX);
        history.observe_pair("a", "0");
        assert_eq!(history.seen[&("a".to_owned(), "0".to_owned())], 2);
    }

    proptest! {
        /// Transactions that take what they need in one order, whatever they need, are never called a danger.
        #[test]
        fn one_order_has_no_inversion(needs in proptest::collection::vec(proptest::collection::btree_set(0_u8..20, 2..5), 0..40)) {
            let mut history = LockOrderHistory::default();
            for need in needs {
                let names: Vec<String> = need.iter().map(|number| format!("{number:02}")).collect();
                for pair in names.windows(2) {
                    history.observe_pair(&pair[0], &pair[1]);
                }
            }
            prop_assert!(history.inversions().is_empty());
        }

        #[test]
        fn both_orders_are_found_whatever_comes_between(between in proptest::collection::vec(("[a-d]", "[a-d]"), 0..20)) {
            let mut history = LockOrderHistory::default();
            history.observe_pair("x", "y");
            for (held, wanted) in between {
                history.observe_pair(&held, &wanted);
            }
            history.observe_pair("y", "x");
            prop_assert!(history.inversions().contains(&("x", "y")));
        }
    }
}
