//! Health of the pools and of the server's connections and settings.

mod facts;
mod server;
mod settings;
mod verdict;

pub(crate) use facts::{Counted, select as pool_facts};
pub use facts::{PoolFacts, statement as pool_facts_statement};
pub(crate) use server::counts as server_counts;
pub use server::{ServerFacts, statement as server_facts_statement};
pub use settings::{SettingFacts, check_settings, statement as setting_facts_statement};
pub use verdict::{HealthCheck, PoolVerdict, check_pool, check_server, verdict};

use crate::checks::thresholds::Thresholds;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::{Cause, Section};

impl Monitor {
    /// Judges each pool that wrote samples to `pooling.pool_stats`, whose name is the
    /// `application_name` of its connections. The samples show whether callers waited; the server's
    /// sessions at this moment show why.
    ///
    /// A pool of PgBouncer is named `pgbouncer:database/user`. Its sessions are all sessions of
    /// that user in that database, also those that bypass PgBouncer. Where PgBouncer calls the
    /// database by another name than the server, or the name was cut at 100 characters, no session
    /// is found, and the verdict is unknown while callers wait.
    ///
    /// # Errors
    ///
    /// [`OpsError::Invalid`] for thresholds out of their range; else as [`Monitor::section`].
    pub async fn pool_health(
        &self,
        thresholds: &Thresholds,
    ) -> Result<Section<Vec<HealthCheck>>, OpsError> {
        thresholds.check()?;
        let facts = self
            .section::<PoolFacts>(facts::statement(&thresholds.pool_health))
            .await?;
        Ok(facts.and_then(|facts| {
            if facts.is_empty() {
                let detail = format!(
                    "no pool wrote a sample to pooling.pool_stats within {} s",
                    thresholds.pool_health.window_seconds
                );
                return Section::not_available(Cause::NoData, detail);
            }
            let check = |facts: &PoolFacts| check_pool(facts, &thresholds.pool_health);
            Section::available(facts.iter().map(check).collect())
        }))
    }

    /// Judges the use of the server's connections, and the transactions that were left open.
    ///
    /// # Errors
    ///
    /// As [`Monitor::pool_health`].
    pub async fn server_health(
        &self,
        thresholds: &Thresholds,
    ) -> Result<Section<Vec<HealthCheck>>, OpsError> {
        thresholds.check()?;
        let facts = self
            .section::<ServerFacts>(server::statement(self.server_version(), thresholds))
            .await?;
        Ok(facts
            .and_then(Section::of_first)
            .map(|facts| check_server(&facts, thresholds)))
    }

    /// Judges the settings of the server, of this database and of every role that endanger the
    /// data, a line each, the worst first; one line where there is none.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn setting_health(&self) -> Result<Section<Vec<HealthCheck>>, OpsError> {
        let facts = self.section::<SettingFacts>(settings::statement()).await?;
        Ok(facts.map(|facts| check_settings(&facts)))
    }
}
