//! The anomalies, the isolation levels, and PostgreSQL's documented result for each pair.

use std::fmt;

use serde::Serialize;

/// An anomaly between concurrent transactions, named as in Adya's and Bailis's papers, which
/// Hermitage turned into tests (<https://github.com/ept/hermitage>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Anomaly {
    /// G0: two transactions write the same rows, and each row keeps the value of another
    /// transaction.
    DirtyWrite,
    /// G1a: a transaction reads a write of another transaction that then rolls back.
    AbortedRead,
    /// G1b: a transaction reads a value that another transaction later overwrites itself.
    IntermediateRead,
    /// G1c: two transactions each read the other's writes.
    CircularInformationFlow,
    /// OTV: a transaction sees another's writes, and later an older state of some of them.
    ObservedTransactionVanishes,
    /// PMP: a repeated predicate finds rows that it did not find before.
    PredicateManyPreceders,
    /// P4: two transactions update a row after the same read, and one update is lost.
    LostUpdate,
    /// G-single: a transaction reads one row before, and one row after another transaction's
    /// writes.
    ReadSkew,
    /// G2-item: two transactions read the same rows, and each updates a different one.
    WriteSkew,
    /// G2: write skew on rows that a predicate did not find because they did not exist yet.
    AntiDependencyCycle,
}

/// The four isolation levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// In PostgreSQL the same as `READ COMMITTED`.
    ReadUncommitted,
    /// Each statement has a snapshot of its own.
    ReadCommitted,
    /// The transaction has one snapshot.
    RepeatableRead,
    /// Transactions behave as if they ran one after another.
    Serializable,
}

/// The result of an anomaly's schedule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Every transaction ended as planned, and the anomaly occurred.
    Occurred,
    /// Every transaction ended as planned, without the anomaly.
    Prevented,
    /// The server rejected one of the transactions.
    PreventedWith {
        /// The SQLSTATE of the rejection.
        sqlstate: String,
    },
}

impl Anomaly {
    /// All anomalies, the weakest first.
    pub const ALL: [Self; 10] = [
        Self::DirtyWrite,
        Self::AbortedRead,
        Self::IntermediateRead,
        Self::CircularInformationFlow,
        Self::ObservedTransactionVanishes,
        Self::PredicateManyPreceders,
        Self::LostUpdate,
        Self::ReadSkew,
        Self::WriteSkew,
        Self::AntiDependencyCycle,
    ];

    /// Returns Hermitage's short name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::DirtyWrite => "G0",
            Self::AbortedRead => "G1a",
            Self::IntermediateRead => "G1b",
            Self::CircularInformationFlow => "G1c",
            Self::ObservedTransactionVanishes => "OTV",
            Self::PredicateManyPreceders => "PMP",
            Self::LostUpdate => "P4",
            Self::ReadSkew => "G-single",
            Self::WriteSkew => "G2-item",
            Self::AntiDependencyCycle => "G2",
        }
    }

    /// Returns the name in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DirtyWrite => "dirty write",
            Self::AbortedRead => "aborted read",
            Self::IntermediateRead => "intermediate read",
            Self::CircularInformationFlow => "circular information flow",
            Self::ObservedTransactionVanishes => "observed transaction vanishes",
            Self::PredicateManyPreceders => "predicate many preceders",
            Self::LostUpdate => "lost update",
            Self::ReadSkew => "read skew",
            Self::WriteSkew => "write skew",
            Self::AntiDependencyCycle => "anti-dependency cycle",
        }
    }

    /// Returns the documented result at this level: chapter 13.2 of PostgreSQL's manual,
    /// "Transaction Isolation".
    ///
    /// * `READ UNCOMMITTED` is `READ COMMITTED`. That level never shows uncommitted data, a writer
    ///   waits for another one and then continues from its result, and each statement sees the data
    ///   that was committed before it.
    /// * `REPEATABLE READ` is snapshot isolation: a writer that meets a newer version of a row is
    ///   rejected with 40001, and write skew is possible.
    /// * `SERIALIZABLE` also rejects, with 40001, one transaction of each cycle of reads and
    ///   writes, even where no anomaly would have been visible: the two of G1c each read the state
    ///   before the other.
    #[must_use]
    pub fn expected(self, level: Level) -> Outcome {
        use Level as L;
        let rejected = || Outcome::PreventedWith {
            sqlstate: "40001".to_owned(),
        };
        match (level, self) {
            (
                L::ReadUncommitted | L::ReadCommitted,
                Self::PredicateManyPreceders
                | Self::LostUpdate
                | Self::ReadSkew
                | Self::WriteSkew
                | Self::AntiDependencyCycle,
            )
            | (L::RepeatableRead, Self::WriteSkew | Self::AntiDependencyCycle) => Outcome::Occurred,
            (
                L::RepeatableRead | L::Serializable,
                Self::DirtyWrite | Self::ObservedTransactionVanishes | Self::LostUpdate,
            )
            | (
                L::Serializable,
                Self::CircularInformationFlow | Self::WriteSkew | Self::AntiDependencyCycle,
            ) => rejected(),
            _ => Outcome::Prevented,
        }
    }
}

impl Level {
    /// All levels, the weakest first.
    pub const ALL: [Self; 4] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::RepeatableRead,
        Self::Serializable,
    ];

    /// Returns the level in SQL.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.code(), self.name())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.sql())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occurred => formatter.pad("occurred"),
            Self::Prevented => formatter.pad("prevented"),
            Self::PreventedWith { sqlstate } => formatter.pad(&format!("prevented, {sqlstate}")),
        }
    }
}
