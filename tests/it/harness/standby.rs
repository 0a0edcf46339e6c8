//! A streaming standby of a local server.

use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_postgres::LocalServer;

use super::pair::{Node, on_port, programs};

/// A hot standby that follows its primary; it ends with this value, or with the process of the
/// tests.
pub(crate) struct Standby(Node);

impl Standby {
    /// Starts a copy of the primary, with these settings beside those in the primary's files.
    pub(crate) async fn of(primary: &LocalServer, settings: &[(&str, &str)]) -> Self {
        let (programs, url) = (programs(primary), primary.url().to_owned());
        // At least as many as the primary has.
        let settings = [("max_connections", "200")]
            .iter()
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let copy = move || Node::copy(programs, &url, true, settings);
        Self(tokio::task::spawn_blocking(copy).await.unwrap())
    }

    /// Returns the URL of a database of the primary, on this server.
    pub(crate) fn url(&self, on_the_primary: &str) -> String {
        on_port(on_the_primary, self.0.port())
    }

    /// Waits until everything that the primary has written so far is visible here.
    pub(crate) async fn follow(&self, primary: &LocalServer) {
        let connect = async |url: &str| {
            Database::connect(DatabaseConfig::from_url(url).unwrap())
                .await
                .unwrap()
        };
        let written: String = connect(primary.url())
            .await
            .fetch_value(statement("SELECT pg_current_wal_insert_lsn()::text", []))
            .await
            .unwrap();
        let here = connect(&self.url(primary.url())).await;
        let sql = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)";
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let is_here: bool = here
                .fetch_value(statement(sql, [written.clone().into()]))
                .await
                .unwrap();
            if is_here {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the standby lags: {}",
                self.0.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
