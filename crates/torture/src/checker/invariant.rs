//! The invariants that a history and its books must keep, and their violations.

use std::fmt;

/// An invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Invariant {
    /// Each answer belongs to one call, and fits what the call asked for.
    WellFormed,
    /// The sum of all accounts never changes.
    Conservation,
    /// An acknowledged request is in the books.
    AcknowledgedPresent,
    /// A request is in the books once.
    ExactlyOnce,
    /// The books have the entries and the hold that the receipt named, and no other.
    AnswerInBooks,
    /// The books have all that the request asked for, and nothing else.
    EffectAsAsked,
    /// A rejected request is not in the books.
    RejectedAbsent,
    /// All answers to one key are the same.
    StableAnswer,
    /// A request of unknown outcome was repeated until its caller knew the outcome.
    UnknownResolved,
    /// A caller has sent the key of each transfer and hold of the books.
    NoPhantom,
    /// A transfer has two entries: a debit and a credit of its amount.
    TwoEntries,
    /// The entries of an account have the numbers from 1 on, without a gap.
    EntryNumbers,
    /// An entry's balance is the balance before it and its amount.
    RunningBalance,
    /// The recorded balance of an account is that of its last entry.
    RecordedBalance,
    /// No account is below its least balance after any entry, and its open holds are covered.
    LeastBalance,
    /// A read shows an account as it was after one of its entries.
    ReadOfPrefix,
    /// A read shows what was acknowledged before it began, and nothing that was sent after it
    /// ended.
    RealTimeRead,
    /// A request that ended before another began has the lower entry numbers.
    RealTimeOrder,
    /// The captures and releases of a hold are within its amount, and add up.
    HoldSums,
    /// The recorded held balance of an account is what its open holds reserve.
    HeldBalance,
    /// The reversals of a transfer are within its amount.
    ReversalSums,
    /// There is one order of all calls, in real time, that explains each answer.
    StrictSerialisability,
}

/// A violation of an invariant.
///
/// # Example
///
/// ```
/// use neobank_torture::checker::{Invariant, Violation};
///
/// let violation = Violation {
///     invariant: Invariant::ExactlyOnce,
///     detail: "the books have 2 transfers for key \"rent-1\"".to_owned(),
/// };
/// assert_eq!(
///     violation.to_string(),
///     "exactly once: the books have 2 transfers for key \"rent-1\"",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant.
    pub invariant: Invariant,
    /// The violation in plain English, with its calls, keys and accounts.
    pub detail: String,
}

impl Invariant {
    /// All invariants.
    pub const ALL: [Self; 22] = [
        Self::WellFormed,
        Self::Conservation,
        Self::AcknowledgedPresent,
        Self::ExactlyOnce,
        Self::AnswerInBooks,
        Self::EffectAsAsked,
        Self::RejectedAbsent,
        Self::StableAnswer,
        Self::UnknownResolved,
        Self::NoPhantom,
        Self::TwoEntries,
        Self::EntryNumbers,
        Self::RunningBalance,
        Self::RecordedBalance,
        Self::LeastBalance,
        Self::ReadOfPrefix,
        Self::RealTimeRead,
        Self::RealTimeOrder,
        Self::HoldSums,
        Self::HeldBalance,
        Self::ReversalSums,
        Self::StrictSerialisability,
    ];

    /// Returns the invariant's name.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_torture::checker::Invariant;
    ///
    /// assert_eq!(Invariant::RejectedAbsent.name(), "rejected is absent");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WellFormed => "well-formed history",
            Self::Conservation => "conservation",
            Self::AcknowledgedPresent => "acknowledged is present",
            Self::ExactlyOnce => "exactly once",
            Self::AnswerInBooks => "answer is in the books",
            Self::EffectAsAsked => "effect as asked",
            Self::RejectedAbsent => "rejected is absent",
            Self::StableAnswer => "stable answer",
            Self::UnknownResolved => "unknown is resolved",
            Self::NoPhantom => "no phantom",
            Self::TwoEntries => "two entries",
            Self::EntryNumbers => "entry numbers",
            Self::RunningBalance => "running balance",
            Self::RecordedBalance => "recorded balance",
            Self::LeastBalance => "least balance",
            Self::ReadOfPrefix => "read of a prefix",
            Self::RealTimeRead => "read in real time",
            Self::RealTimeOrder => "order in real time",
            Self::HoldSums => "sums of a hold",
            Self::HeldBalance => "held balance",
            Self::ReversalSums => "sums of reversals",
            Self::StrictSerialisability => "strict serialisability",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.invariant, self.detail)
    }
}
