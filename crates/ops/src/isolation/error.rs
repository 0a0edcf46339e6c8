//! The reason why the matrix could not be observed.

use std::time::Duration;

use neobank_db::DatabaseError;
use thiserror::Error;

use super::anomaly::{Anomaly, Level};

/// The reason why the matrix could not be observed. In each case the scratch schema is dropped, or
/// the error contains its name.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IsolationError {
    /// The role may not create the scratch schema.
    #[error(
        "the isolation levels are executed in a scratch schema, and the role {role:?} may not create one in {database:?}: \
         run it as another role, or GRANT CREATE ON DATABASE for the time of the run"
    )]
    NotAllowed {
        /// The role.
        role: String,
        /// The database.
        database: String,
    },
    /// The server did not reach an expected state in time.
    #[error("{anomaly} at {level}, step {step}: {what} within {waited:?}")]
    Schedule {
        /// The anomaly.
        anomaly: Anomaly,
        /// The level.
        level: Level,
        /// The step, counted from 1.
        step: usize,
        /// The expected state.
        what: &'static str,
        /// The time waited for it.
        waited: Duration,
    },
    /// A statement failed for another reason than isolation.
    #[error("{anomaly} at {level}, step {step}: {source}")]
    Step {
        /// The anomaly.
        anomaly: Anomaly,
        /// The level.
        level: Level,
        /// The step, counted from 1.
        step: usize,
        /// The database's error.
        source: DatabaseError,
    },
    /// The scratch schema could not be dropped.
    #[error("the scratch schema {schema} is left behind: {source}")]
    LeftBehind {
        /// Its name.
        schema: String,
        /// The database's error.
        source: DatabaseError,
    },
    /// The database rejected a query, or could not be reached.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The task of the run ended early, because the runtime is shutting down.
    #[error("the run was interrupted")]
    Interrupted,
}
