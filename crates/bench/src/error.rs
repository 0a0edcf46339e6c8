use neobank_db::{ConfigError, DatabaseError};
use neobank_domain::{LedgerError, MoneyError};
use neobank_postgres::{StartError, StopError};
use thiserror::Error;

/// Why there are no figures.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchError {
    /// An option cannot be.
    #[error("{option} cannot be {value}: {wanted}")]
    Option {
        /// Its name on the command line.
        option: &'static str,
        /// What was given.
        value: String,
        /// What can be.
        wanted: &'static str,
    },
    /// The server's address cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No server could be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server could not be stopped.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The schema could not be rolled out.
    #[error(transparent)]
    Migration(#[from] neobank_migration::RolloutError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The driver of one of the other ways failed.
    #[error("{way}: {reason}")]
    Other {
        /// Which way.
        way: &'static str,
        /// What it said.
        reason: String,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An amount cannot be.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A program of PostgreSQL is not there.
    #[error(
        "{program} was found neither beside the server nor in PATH: install PostgreSQL's client programs, or leave the way \
         out that needs it"
    )]
    NoProgram {
        /// Its name.
        program: &'static str,
    },
    /// The books are wrong, so no figure counts.
    #[error("the books are wrong after the run: {0}")]
    Unsound(String),
}

impl BenchError {
    /// Returns `true` when the server that was named cannot be reached.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Start(StartError::Unreachable { .. }))
    }

    /// The server's own code, where it refused to create the database of the measurement.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Start(StartError::Database { sqlstate, .. }) => sqlstate.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn other(way: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Other {
            way,
            reason: reason.to_string(),
        }
    }
}
