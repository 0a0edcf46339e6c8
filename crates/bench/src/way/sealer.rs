//! A sealer beside a way, as a server has it.

use std::convert::Infallible;
use std::time::Duration;

use neobank_db::{Database, DatabaseError};
use neobank_domain::chain::{self, RECORDS_MAX_DEFAULT};
use tokio::task::JoinSet;

use crate::error::BenchError;

/// The pause between two calls, as the service's workers make it.
const PAUSE: Duration = Duration::from_secs(1);

/// A task that seals the new records each second, until it is stopped or dropped.
pub(crate) struct Sealer(JoinSet<Result<Infallible, DatabaseError>>);

impl Sealer {
    pub(crate) fn start(database: &Database) -> Self {
        let database = database.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let report = chain::seal(&database, RECORDS_MAX_DEFAULT).await?;
                if !report.has_more {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        });
        Self(task)
    }

    /// Stops the task.
    ///
    /// # Errors
    ///
    /// The error that ended it before.
    pub(crate) fn stop(mut self) -> Result<(), BenchError> {
        match self.0.try_join_next() {
            Some(Ok(Err(error))) => Err(error.into()),
            Some(Ok(Ok(never))) => match never {},
            Some(Err(_)) | None => Ok(()),
        }
    }
}
