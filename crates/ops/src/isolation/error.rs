//! Why the matrix could not be observed.

use std::time::Duration;

use neobank_db::DatabaseError;
use thiserror::Error;

use super::anomaly::{Anomaly, Level};

/// Why the matrix could not be observed. Whatever it is, the scratch schema is gone, or its name is told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IsolationError {
    /// The role may not create the scratch schema.
    #[error(
        "the isolation levels are executed in a scratch schema, and the role {role:?} may not create one in {database:?}: \
         run it as another role, or GRANT CREATE ON DATABASE for the time of the run"
    )]
    NotAllowed {
        /// The role that was tried.
        role: String,
        /// The database.
        database: String,
    },
    /// The server did not do in time what every version does.
    #[error("{anomaly} at {level}, step {step}: {what} within {waited:?}")]
    Schedule {
        /// Which anomaly.
        anomaly: Anomaly,
        /// At which level.
        level: Level,
        /// Counted from 1.
        step: usize,
        /// What was waited for in vain.
        what: &'static str,
        /// How long.
        waited: Duration,
    },
    /// A statement failed for another reason than isolation.
    #[error("{anomaly} at {level}, step {step}: {source}")]
    Step {
        /// Which anomaly.
        anomaly: Anomaly,
        /// At which level.
        level: Level,
        /// Counted from 1.
        step: usize,
        /// What the database said.
        source: DatabaseError,
    },
    /// The scratch schema could not be dropped.
    #[error("the scratch schema {schema} is left behind: {source}")]
    LeftBehind {
        /// Its name.
        schema: String,
        /// What the database said.
        source: DatabaseError,
    },
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The task that ran it ended early, because the runtime is shutting down.
    #[error("the run was interrupted")]
    Interrupted,
}
