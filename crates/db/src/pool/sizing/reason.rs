//! The reasons of decisions.

use std::fmt;

/// The reason for the size of a [`SizingDecision`](super::SizingDecision). `Display` words it for
/// people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No caller waits, and the pool is not much larger than its use.
    Steady,
    /// The size was changed a moment ago.
    CoolingDown,
    /// The effect of the last change, or the state before the next, is being measured.
    Measuring,
    /// Grown: callers wait, and the server has room.
    CallersWait,
    /// The growth is kept: it brought throughput, or no caller waits any more.
    GrowthKept,
    /// Lowered again: the growth brought no throughput.
    GrowthUndone,
    /// Lowered to test whether fewer connections do the same work, because callers wait and more
    /// connections do not help.
    TryingFewer,
    /// The smaller size is kept: it does the same work.
    FewerSuffice,
    /// Grown again: fewer connections did less work.
    FewerUndone,
    /// Lowered: part of the pool was unused for a long time.
    Unused,
    /// Lowered: this instance's share of the server's connections fell.
    BudgetFell,
    /// Grown to the smallest size.
    BelowFloor,
    /// Callers wait, but the size is the largest that the configuration or the server's budget
    /// allows.
    AtCeiling,
    /// Callers wait, but more connections were shown to bring no throughput.
    KneeKnown,
    /// Callers wait, but every processor of the server is busy.
    ServerSaturated,
    /// Callers wait, and so do sessions in the server for locks; more connections would wait with
    /// them.
    WaitingForLocks,
    /// Callers wait, but no connection is returned: they are leaked, or the server does not answer.
    NothingCompletes,
}

impl Reason {
    /// Returns a short name for logs and plots, such as `callers_wait`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::CoolingDown => "cooling_down",
            Self::Measuring => "measuring",
            Self::CallersWait => "callers_wait",
            Self::GrowthKept => "growth_kept",
            Self::GrowthUndone => "growth_undone",
            Self::TryingFewer => "trying_fewer",
            Self::FewerSuffice => "fewer_suffice",
            Self::FewerUndone => "fewer_undone",
            Self::Unused => "unused",
            Self::BudgetFell => "budget_fell",
            Self::BelowFloor => "below_floor",
            Self::AtCeiling => "at_ceiling",
            Self::KneeKnown => "knee_known",
            Self::ServerSaturated => "server_saturated",
            Self::WaitingForLocks => "waiting_for_locks",
            Self::NothingCompletes => "nothing_completes",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Steady => "no caller waits, and the pool fits its use",
            Self::CoolingDown => "the size was changed a moment ago",
            Self::Measuring => "the throughput at this size is being measured",
            Self::CallersWait => "callers wait and the server has room",
            Self::GrowthKept => "the larger size helped",
            Self::GrowthUndone => "the larger size brought no throughput",
            Self::TryingFewer => {
                "callers wait and more connections do not help; fewer may do the same work"
            }
            Self::FewerSuffice => "fewer connections do the same work",
            Self::FewerUndone => "fewer connections did less work",
            Self::Unused => "part of the pool was not used for a long time",
            Self::BudgetFell => "the server has fewer connections for this pool",
            Self::BelowFloor => "the pool was smaller than its least size",
            Self::AtCeiling => "callers wait, and the pool is as large as it may be",
            Self::KneeKnown => {
                "callers wait, and more connections were seen to bring no throughput"
            }
            Self::ServerSaturated => "callers wait, and every processor of the server is busy",
            Self::WaitingForLocks => "callers wait, and sessions in the server wait for locks",
            Self::NothingCompletes => "callers wait, and no connection comes back",
        })
    }
}
