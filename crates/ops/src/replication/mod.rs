//! How far standbys are behind.

use neobank_db::{FromQueryResult, Statement, statement as text};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// Rows that are shown at most, those furthest behind first.
pub const STANDBYS_MAX: usize = 100;

/// A standby that the server feeds, or the server itself when it is a standby.
#[derive(Clone, Debug, PartialEq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct ReplicationRow {
    /// What the standby calls itself (`application_name`); none for the server itself.
    pub standby: Option<String>,
    /// The state of the connection, such as `streaming`; of the server itself, that of its receiver,
    /// none where it has none.
    pub state: Option<String>,
    /// Bytes of the log that are written and not yet replayed; of the server itself, received and
    /// not yet replayed. None where the role may not see it.
    pub lag_bytes: Option<i64>,
    /// The time between a commit and its replay; of the server itself, the age of the transaction
    /// that was replayed last while there is more to replay.
    pub lag_seconds: Option<f64>,
}

/// The text of the question.
#[must_use]
pub fn statement() -> Statement {
    text(include_str!("replication.sql"), [])
}

impl Monitor {
    /// Standbys of the server, and the server itself when it is one; empty for a server that stands alone. A role
    /// without the privileges of `pg_read_all_stats` sees the standbys without their lags.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn replication(&self) -> Result<Section<Vec<ReplicationRow>>, OpsError> {
        self.section(statement()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_text_is_what_was_looked_at() {
        insta::assert_snapshot!("replication", readable(&statement()));
        assert!(include_str!("replication.sql").contains(&format!("LIMIT {STANDBYS_MAX}\n")));
    }
}
