//! The result of a check.

use std::fmt;

use super::{Invariant, Violation};

/// The violations that a check found, and how much it checked: a check of nothing finds nothing.
///
/// # Example
///
/// ```
/// use neobank_torture::books::Books;
/// use neobank_torture::checker::check;
/// use neobank_torture::reader::History;
///
/// let report = check(&History::default(), &Books::default());
/// assert!(report.violations.is_empty());
/// assert_eq!(report.checked.acknowledged, 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How much was checked.
    pub checked: Checked,
    /// The violations, by rule.
    pub violations: Vec<Violation>,
}

/// How much a check has looked at.
///
/// # Example
///
/// ```
/// use neobank_torture::checker::Checked;
///
/// let checked = Checked {
///     calls: 12,
///     ..Checked::default()
/// };
/// assert!(checked.to_string().starts_with("12 calls, 0 keys (0 acknowledged, "));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Calls of the history.
    pub calls: usize,
    /// Keys that were sent.
    pub keys: usize,
    /// Keys of which a caller knows that they happened.
    pub acknowledged: usize,
    /// Keys of which each caller knows that they did not happen.
    pub rejected: usize,
    /// Keys of which an attempt was of unknown outcome.
    pub unknown: usize,
    /// Keys with several answers that must be the same.
    pub repeated: usize,
    /// Accounts.
    pub accounts: usize,
    /// Entries of accounts.
    pub entries: usize,
    /// Transfers.
    pub transfers: usize,
    /// Holds.
    pub holds: usize,
    /// Reversals.
    pub reversals: usize,
    /// Reads of balances.
    pub balances_reads: usize,
    /// Reads of balances that cover all accounts, whose sum must be constant.
    pub covering_reads: usize,
    /// Reads of an account's entries.
    pub entries_reads: usize,
    /// Calls that were put into one order: reads, and requests that are in the books.
    pub ordered_calls: usize,
    /// Reads of these that `adya` did not get, because all together were too long.
    pub reads_left_out: usize,
}

impl Report {
    /// Returns true if the check found a violation of an invariant.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_torture::checker::{Invariant, Report};
    ///
    /// assert!(!Report::default().violates(Invariant::Conservation));
    /// ```
    #[must_use]
    pub fn violates(&self, invariant: Invariant) -> bool {
        let mut violations = self.violations.iter();
        violations.any(|violation| violation.invariant == invariant)
    }

    pub(super) fn violation(&mut self, invariant: Invariant, detail: String) {
        self.violations.push(Violation { invariant, detail });
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} calls, {} keys ({} acknowledged, {} rejected, {} with an unknown outcome, \
             {} with several answers), {} accounts, {} entries, {} transfers, {} holds, \
             {} reversals, {} reads of balances ({} of all accounts), {} reads of entries, \
             {} calls in order ({} reads not by adya)",
            self.calls,
            self.keys,
            self.acknowledged,
            self.rejected,
            self.unknown,
            self.repeated,
            self.accounts,
            self.entries,
            self.transfers,
            self.holds,
            self.reversals,
            self.balances_reads,
            self.covering_reads,
            self.entries_reads,
            self.ordered_calls,
            self.reads_left_out,
        )
    }
}
