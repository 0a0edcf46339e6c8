//! Who keeps dead rows from being removed: the holders of the oldest snapshots.

use neobank_db::{FromQueryResult, Statement, statement};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// Somebody because of whom a vacuum must keep row versions that died since.
#[derive(Clone, Debug, PartialEq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct HorizonHolderRow {
    /// `session`, `standby_feedback`, `prepared_transaction` or `replication_slot`.
    pub kind: String,
    /// The process, the prepared transaction's name, or the slot's.
    pub identity: String,
    /// The process, where there is one.
    pub process_id: Option<i32>,
    /// The database that it holds back; none for all of them.
    pub database_name: Option<String>,
    /// Whose it is.
    pub user_name: Option<String>,
    /// What the session calls itself.
    pub application_name: Option<String>,
    /// The session's state, or the slot's.
    pub state: Option<String>,
    /// How many transactions have begun since what it holds.
    pub age_transactions: i64,
    /// For how long it has held it at most; none for slots, which do not tell, and where the role may not know.
    pub age_seconds: Option<f64>,
    /// It only holds rows of the catalog back.
    pub is_catalog_only: bool,
}

/// The holders, and whether all could be seen of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HorizonReport {
    /// The oldest first.
    pub holders: Vec<HorizonHolderRow>,
    /// Whether the role may know the states and times of other roles' sessions, as members of `pg_read_all_stats` (and so of
    /// `pg_monitor`) do. If not, these are missing; the sessions themselves are there.
    pub sees_session_details: bool,
}

/// The text of the question: a row for each holder but the asking session itself, the oldest first.
#[must_use]
pub fn holders() -> Statement {
    statement(include_str!("holders.sql"), [])
}

/// The text of the question whether the role may know states and times.
#[must_use]
pub fn sight() -> Statement {
    statement(
        "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_session_details",
        [],
    )
}

impl Monitor {
    /// Who keeps dead rows from being removed.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    ///
    /// # Example
    ///
    /// ```
    /// # use neobank_db::DatabaseConfig;
    /// # use neobank_ops::{Monitor, MonitorLimits};
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let monitor = Monitor::connect(DatabaseConfig::from_url(server.url())?, MonitorLimits::default()).await?;
    /// let report = monitor.horizon().await?.into_value().unwrap();
    /// assert!(report.sees_session_details);
    /// if let Some(oldest) = report.holders.first() {
    ///     println!("{} {}: {} transactions ago", oldest.kind, oldest.identity, oldest.age_transactions);
    /// }
    /// # Ok::<(), neobank_ops::OpsError>(())
    /// # }).unwrap();
    /// ```
    pub async fn horizon(&self) -> Result<Section<HorizonReport>, OpsError> {
        let sees_session_details = self.sees_session_details().await?;
        let holders = self.section(holders()).await?;
        Ok(holders.map(|holders| HorizonReport {
            holders,
            sees_session_details,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_texts_stay_as_they_are() {
        insta::assert_snapshot!("horizon_holders", readable(&holders()));
        insta::assert_snapshot!("horizon_sight", readable(&sight()));
    }
}
