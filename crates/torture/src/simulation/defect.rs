//! The defects of broken ledgers.

use crate::checker::Invariant;

/// A defect that a ledger can have.
///
/// # Example
///
/// ```
/// use neobank_torture::checker::Invariant;
/// use neobank_torture::simulation::Defect;
///
/// assert_eq!(Defect::DoubleApply.name(), "double apply");
/// assert_eq!(Defect::DoubleApply.violates(), Invariant::ExactlyOnce);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A transfer computes balances from those that it read before another transfer wrote.
    LostUpdate,
    /// A request that is repeated after a lost answer happens again.
    DoubleApply,
    /// A read shows an entry of a transfer that is rolled back later.
    DirtyRead,
    /// The credit of an acknowledged transfer is not written.
    MissingEntry,
    /// A request gets a receipt of a transfer that the ledger did not make.
    ForgedAnswer,
    /// The steps of a group may leave an account below its least balance, if a later step mends it.
    BelowLimit,
    /// A hold can be captured again after it was captured.
    DoubleCapture,
}

impl Defect {
    /// All defects.
    pub const ALL: [Self; 7] = [
        Self::LostUpdate,
        Self::DoubleApply,
        Self::DirtyRead,
        Self::MissingEntry,
        Self::ForgedAnswer,
        Self::BelowLimit,
        Self::DoubleCapture,
    ];

    /// Returns the defect's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LostUpdate => "lost update",
            Self::DoubleApply => "double apply",
            Self::DirtyRead => "dirty read",
            Self::MissingEntry => "missing entry",
            Self::ForgedAnswer => "forged answer",
            Self::BelowLimit => "balance below the limit for a moment",
            Self::DoubleCapture => "hold captured twice",
        }
    }

    /// Returns the invariant that the defect violates first of all.
    #[must_use]
    pub const fn violates(self) -> Invariant {
        match self {
            Self::LostUpdate => Invariant::RunningBalance,
            Self::DoubleApply => Invariant::ExactlyOnce,
            Self::DirtyRead => Invariant::ReadOfPrefix,
            Self::MissingEntry => Invariant::TwoEntries,
            Self::ForgedAnswer => Invariant::AcknowledgedPresent,
            Self::BelowLimit => Invariant::LeastBalance,
            Self::DoubleCapture => Invariant::HoldSums,
        }
    }
}
