//! Indexes that cost more than they help: unused, redundant, invalid.

pub mod facts;
mod finding;
mod query;

pub use facts::IndexRow;
pub use finding::{IndexFinding, IndexProblem, IndexUse, UNUSED_SECONDS_MIN, findings};

use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

impl Monitor {
    /// Reads every index of an ordinary table. Without schemas, it covers all but the system's.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn indexes(
        &self,
        schemas: Option<&[String]>,
    ) -> Result<Section<Vec<IndexRow>>, OpsError> {
        self.section(facts::statement(self.server_version(), schemas))
            .await
    }

    /// Finds indexes with a problem.
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
    /// for finding in monitor.index_findings(None).await?.into_value().unwrap_or_default() {
    ///     if finding.is_removable() {
    ///         println!("{}: {:?} {:?}", finding.index.index_name, finding.problem, finding.caveats);
    ///     }
    /// }
    /// # Ok::<(), neobank_ops::OpsError>(())
    /// # }).unwrap();
    /// ```
    pub async fn index_findings(
        &self,
        schemas: Option<&[String]>,
    ) -> Result<Section<Vec<IndexFinding>>, OpsError> {
        let found = self.indexes(schemas).await?;
        Ok(found.map(|indexes| findings(&indexes)))
    }
}
