//! The privileges of the monitor's role on other roles' sessions.

use neobank_db::{FromRow, Statement};
use sea_query::{Func, Query};

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::{Cause, Section};
use crate::sql::text;

#[derive(Clone, Debug, FromRow)]
struct Privileges {
    sees_session_details: bool,
}

/// Returns the SQL that reads whether the role may see states and times of other roles' sessions.
#[must_use]
pub(crate) fn statement() -> Statement {
    let sees = Func::cust("pg_catalog.pg_has_role")
        .arg(text("pg_read_all_stats"))
        .arg(text("USAGE"));
    build(Query::select().expr_as(sees, "sees_session_details"))
}

impl Monitor {
    /// Returns `true` if the role has the privileges of `pg_read_all_stats`.
    pub(crate) async fn sees_session_details(&self) -> Result<bool, OpsError> {
        let privileges: Vec<Privileges> = self.fetch(statement()).await?;
        Ok(privileges.iter().any(|one| one.sees_session_details))
    }

    /// Returns the result of a query for sessions' states and times. Without the privilege the
    /// server hides these without an error, so that a result without them would look healthy; the
    /// section is then not available.
    pub(crate) async fn session_details<T: FromRow + Send>(
        &self,
        query: Statement,
    ) -> Result<Section<Vec<T>>, OpsError> {
        if self.sees_session_details().await? {
            return self.section(query).await;
        }
        Ok(Section::not_available(
            Cause::InsufficientPrivilege,
            "the states of other roles' sessions are hidden from this role: use a role with the privileges of pg_monitor",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("session_privileges", readable(&statement()));
    }
}
