use neobank_db::{ConfigError, DatabaseError};
use neobank_domain::{LedgerError, MoneyError};
use neobank_postgres::{StartError, StopError};
use thiserror::Error;

/// The reason why a benchmark has no figures.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The value of an option is out of range.
    #[error("{option} cannot be {value}: {wanted}")]
    Option {
        /// The option's name on the command line.
        option: &'static str,
        /// The value that the caller gave.
        value: String,
        /// The values that the option takes.
        wanted: &'static str,
    },
    /// The server's address is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server did not stop.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The migration of the schema failed.
    #[error(transparent)]
    Migration(#[from] neobank_migration::RolloutError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The driver of another way failed.
    #[error("{way}: {reason}")]
    Other {
        /// The way or the component.
        way: &'static str,
        /// The message of the failure.
        reason: String,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An amount is invalid.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A client program of PostgreSQL is missing.
    #[error(
        "{program} was found neither beside the server nor in PATH: install PostgreSQL's client programs, or leave the way \
         out that needs it"
    )]
    NoProgram {
        /// The program's name.
        program: &'static str,
    },
    /// The audit found a violation, so no figure counts.
    #[error("the audit failed after the run: {0}")]
    Unsound(String),
}

impl BenchError {
    /// Returns `true` when the server at the given URL cannot be reached.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Start(StartError::Unreachable { .. }))
    }

    /// Returns the server's SQLSTATE when the server rejected the creation of the benchmark's
    /// database.
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
