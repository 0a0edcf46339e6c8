//! The anomalies, the levels, and what PostgreSQL documents of each pair.

use std::fmt;

use serde::Serialize;

/// What can go wrong between transactions, in the words of Adya's and Bailis's papers that Hermitage made into tests
/// (<https://github.com/ept/hermitage>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Anomaly {
    /// G0: two transactions write the same rows, and each row keeps another one's value.
    DirtyWrite,
    /// G1a: a transaction reads what another wrote that then rolled back.
    AbortedRead,
    /// G1b: a transaction reads a value that another wrote on the way to its final one.
    IntermediateRead,
    /// G1c: two transactions each read what the other wrote.
    CircularInformationFlow,
    /// OTV: a transaction sees another's writes, and later an older state of some of them.
    ObservedTransactionVanishes,
    /// PMP: the same kind of predicate finds rows later that it did not find before.
    PredicateManyPreceders,
    /// P4: two transactions change a row from the same reading, and one of the changes is lost.
    LostUpdate,
    /// G-single: a transaction reads one row before, and one row after another transaction's writes.
    ReadSkew,
    /// G2-item: two transactions read the same rows, and each changes another one.
    WriteSkew,
    /// G2: as the write skew, on rows that a predicate did not find because they were not there yet.
    AntiDependencyCycle,
}

/// The four levels that a transaction can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// In PostgreSQL the same as `READ COMMITTED`.
    ReadUncommitted,
    /// Each statement has a snapshot of its own.
    ReadCommitted,
    /// The transaction has one snapshot.
    RepeatableRead,
    /// As if transactions ran one after another.
    Serializable,
}

/// What became of an anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Every transaction ended as it wished, and the anomaly is there.
    Occurred,
    /// Every transaction ended as it wished, and the anomaly is not there.
    Prevented,
    /// The server refused one of the transactions.
    PreventedWith {
        /// Why it did.
        sqlstate: String,
    },
}

impl Anomaly {
    /// All of them, the weakest first.
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

    /// Hermitage's short name.
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

    /// Its name in words.
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

    /// What PostgreSQL documents for this level: chapter 13.2 of its manual, "Transaction Isolation".
    ///
    /// * `READ UNCOMMITTED` is `READ COMMITTED`; that level never shows uncommitted data, a writer waits for the other one
    ///   and then goes on from its result, and each statement sees what was committed before it.
    /// * `REPEATABLE READ` is snapshot isolation: a writer that meets a newer version of a row is refused with 40001, and
    ///   write skew is possible.
    /// * `SERIALIZABLE` refuses with 40001, on top of that, one transaction of each cycle of reads and writes, also where
    ///   nothing wrong would have been seen: the two of G1c each read from before the other.
    #[must_use]
    pub fn expected(self, level: Level) -> Outcome {
        use Level as L;
        let refused = || Outcome::PreventedWith {
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
            ) => refused(),
            _ => Outcome::Prevented,
        }
    }
}

impl Level {
    /// All of them, the weakest first.
    pub const ALL: [Self; 4] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::RepeatableRead,
        Self::Serializable,
    ];

    /// As SQL writes it.
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
