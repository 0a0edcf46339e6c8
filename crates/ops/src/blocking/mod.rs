//! Blocking: the graph of sessions that wait for each other.
//!
//! The edges come from the server's `pg_blocking_pids` and `pg_safe_snapshot_blocking_pids`, called
//! once for each waiting session; this module computes the roots and cycles. The graph covers every
//! lock that a session can wait for: rows, tables, advisory locks, ends of other transactions
//! (`CREATE INDEX CONCURRENTLY`), prepared transactions, safe snapshots.

mod assemble;
mod graph;
mod mode;
mod participants;
mod query;
mod remedy;
mod report;

pub use mode::conflict;
pub use participants::{WAITERS_MAX, lock_names_statement, statement};
pub(crate) use query::shared_parts;
pub use report::{
    AwaitedLock, BlockingEdge, BlockingReport, Class, EdgeKind, Participant, RootBlocker, Wait,
    WaitCycle, Who,
};

use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

impl Monitor {
    /// Reads the current graph of waits, in all databases. Names of tables and of advisory locks
    /// are known only in the monitor's own database.
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
    /// let report = monitor.blocking().await?.into_value().unwrap();
    /// for root in &report.roots {
    ///     println!("{} keeps {} waiting: {}", root.who, root.waiters_in_all, report.participant(&root.who).unwrap().remedy);
    /// }
    /// assert!(report.edges.is_empty());
    /// # Ok::<(), neobank_ops::OpsError>(())
    /// # }).unwrap();
    /// ```
    pub async fn blocking(&self) -> Result<Section<BlockingReport>, OpsError> {
        let rows = match self.participants().await? {
            Section::Available { value, .. } => value,
            Section::NotAvailable { reason } => return Ok(Section::NotAvailable { reason }),
        };
        let keys: Vec<i64> = rows.iter().filter_map(|row| row.advisory_key).collect();
        let names = self.lock_names(&keys).await?;
        Ok(Section::available(assemble::assemble(&rows, &names)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("blocking_participants", readable(&statement()));
        insta::assert_snapshot!(
            "blocking_lock_names",
            readable(&lock_names_statement(&[1, -2]))
        );
    }
}
