//! Whether the role may know what other roles' sessions do.

use neobank_db::{FromQueryResult, Statement};

use crate::error::OpsError;
use crate::horizon::sight;
use crate::monitor::Monitor;
use crate::section::{Cause, Section};

#[derive(Clone, Debug, FromQueryResult)]
struct Sight {
    sees_session_details: bool,
}

impl Monitor {
    /// Whether the role has the privileges of `pg_read_all_stats`.
    pub(crate) async fn sees_session_details(&self) -> Result<bool, OpsError> {
        let sight: Vec<Sight> = self.fetch(sight()).await?;
        Ok(sight.iter().any(|one| one.sees_session_details))
    }

    /// The answer to a question about sessions' states and times. The server hides these without an error, so that an
    /// answer without them would say that nothing is wrong.
    pub(crate) async fn session_details<T: FromQueryResult + Send>(
        &self,
        question: Statement,
    ) -> Result<Section<Vec<T>>, OpsError> {
        if self.sees_session_details().await? {
            return self.section(question).await;
        }
        Ok(Section::not_available(
            Cause::InsufficientPrivilege,
            "the states of other roles' sessions are hidden from this role: ask with the privileges of pg_monitor",
        ))
    }
}
