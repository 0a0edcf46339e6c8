//! The steps of each session, in their order.

use serde::Serialize;

use super::anomaly::Anomaly;

/// A session of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum SessionName {
    /// The first session.
    T1,
    /// The second session.
    T2,
    /// The observer, where there is one.
    T3,
}

/// The next action of a session. `{table}` stands for the scratch table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Reads `id` and `value`.
    Read(&'static str),
    /// Writes rows; the server must respond.
    Write(&'static str),
    /// Writes rows; the server must let it wait for another of the sessions.
    WriteAndWait(&'static str),
    /// The waiting write must continue now.
    Released,
    Commit,
    Rollback,
}

pub(super) type Step = (SessionName, Action);

const READ_ALL: Action = Action::Read("SELECT id, value FROM {table} ORDER BY id");
const READ_1: Action = Action::Read("SELECT id, value FROM {table} WHERE id = 1");
const READ_2: Action = Action::Read("SELECT id, value FROM {table} WHERE id = 2");
const READ_30: Action = Action::Read("SELECT id, value FROM {table} WHERE value = 30 ORDER BY id");
const READ_THIRDS: Action =
    Action::Read("SELECT id, value FROM {table} WHERE value % 3 = 0 ORDER BY id");

/// Returns the steps of an anomaly, as in Hermitage. The table starts with the rows (1, 10) and (2,
/// 20).
#[rustfmt::skip]
pub(super) fn steps(anomaly: Anomaly) -> &'static [Step] {
    use Action::{Commit, Released, Rollback, Write, WriteAndWait};
    use SessionName::{T1, T2, T3};
    match anomaly {
        Anomaly::DirtyWrite => &[
            (T1, Write("UPDATE {table} SET value = 11 WHERE id = 1")),
            (T2, WriteAndWait("UPDATE {table} SET value = 12 WHERE id = 1")),
            (T1, Write("UPDATE {table} SET value = 21 WHERE id = 2")),
            (T1, Commit),
            (T2, Released),
            (T2, Write("UPDATE {table} SET value = 22 WHERE id = 2")),
            (T2, Commit),
        ],
        Anomaly::AbortedRead => &[
            (T1, Write("UPDATE {table} SET value = 101 WHERE id = 1")),
            (T2, READ_ALL),
            (T1, Rollback),
            (T2, READ_ALL),
            (T2, Commit),
        ],
        Anomaly::IntermediateRead => &[
            (T1, Write("UPDATE {table} SET value = 101 WHERE id = 1")),
            (T2, READ_ALL),
            (T1, Write("UPDATE {table} SET value = 11 WHERE id = 1")),
            (T1, Commit),
            (T2, READ_ALL),
            (T2, Commit),
        ],
        Anomaly::CircularInformationFlow => &[
            (T1, Write("UPDATE {table} SET value = 11 WHERE id = 1")),
            (T2, Write("UPDATE {table} SET value = 22 WHERE id = 2")),
            (T1, READ_2),
            (T2, READ_1),
            (T1, Commit),
            (T2, Commit),
        ],
        Anomaly::ObservedTransactionVanishes => &[
            (T1, Write("UPDATE {table} SET value = 11 WHERE id = 1")),
            (T1, Write("UPDATE {table} SET value = 19 WHERE id = 2")),
            (T2, WriteAndWait("UPDATE {table} SET value = 12 WHERE id = 1")),
            (T1, Commit),
            (T2, Released),
            (T3, READ_1),
            (T2, Write("UPDATE {table} SET value = 18 WHERE id = 2")),
            (T3, READ_2),
            (T2, Commit),
            (T3, READ_2),
            (T3, READ_1),
            (T3, Commit),
        ],
        Anomaly::PredicateManyPreceders => &[
            (T1, READ_30),
            (T2, Write("INSERT INTO {table} (id, value) VALUES (3, 30)")),
            (T2, Commit),
            (T1, READ_THIRDS),
            (T1, Commit),
        ],
        Anomaly::LostUpdate => &[
            (T1, READ_1),
            (T2, READ_1),
            // Each adds to the 10 that it has read: 1 and 5.
            (T1, Write("UPDATE {table} SET value = 11 WHERE id = 1")),
            (T2, WriteAndWait("UPDATE {table} SET value = 15 WHERE id = 1")),
            (T1, Commit),
            (T2, Released),
            (T2, Commit),
        ],
        Anomaly::ReadSkew => &[
            (T1, READ_1),
            (T2, READ_1),
            (T2, READ_2),
            (T2, Write("UPDATE {table} SET value = 12 WHERE id = 1")),
            (T2, Write("UPDATE {table} SET value = 18 WHERE id = 2")),
            (T2, Commit),
            (T1, READ_2),
            (T1, Commit),
        ],
        Anomaly::WriteSkew => &[
            (T1, READ_ALL),
            (T2, READ_ALL),
            (T1, Write("UPDATE {table} SET value = 11 WHERE id = 1")),
            (T2, Write("UPDATE {table} SET value = 21 WHERE id = 2")),
            (T1, Commit),
            (T2, Commit),
        ],
        Anomaly::AntiDependencyCycle => &[
            (T1, READ_THIRDS),
            (T2, READ_THIRDS),
            (T1, Write("INSERT INTO {table} (id, value) VALUES (3, 30)")),
            (T2, Write("INSERT INTO {table} (id, value) VALUES (4, 42)")),
            (T1, Commit),
            (T2, Commit),
        ],
    }
}

impl Action {
    /// Returns the statement, where the action has one.
    pub(super) const fn sql(self) -> Option<&'static str> {
        match self {
            Self::Read(sql) | Self::Write(sql) | Self::WriteAndWait(sql) => Some(sql),
            Self::Released | Self::Commit | Self::Rollback => None,
        }
    }

    /// Returns the statement in a readable form, on a table named `t`.
    pub(super) fn text(self) -> String {
        match self {
            Self::Released => "(continues)".to_owned(),
            Self::Commit => "COMMIT".to_owned(),
            Self::Rollback => "ROLLBACK".to_owned(),
            other => other.sql().unwrap_or_default().replace("{table}", "t"),
        }
    }
}

impl SessionName {
    pub(super) const ALL: [Self; 3] = [Self::T1, Self::T2, Self::T3];

    /// Returns `T1`, `T2` or `T3`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::T1 => "T1",
            Self::T2 => "T2",
            Self::T3 => "T3",
        }
    }
}
