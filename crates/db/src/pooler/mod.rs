//! The detection of poolers by experiment, because no pooler announces itself.

mod probe;

use serde::Serialize;

use crate::config::{DatabaseConfig, Pooler};
use crate::connection::DirectConnection;
use crate::error::DatabaseError;

/// The pooler between the client and the server, as two connections observed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Between {
    /// No pooler: the server's own process id was announced.
    Nothing,
    /// No pooler, or one in session mode: the announced process id is unknown.
    NothingOrSessionPooler,
    /// A pooler that kept each client on a server connection of its own.
    SessionPooler,
    /// A pooler that reassigns its server connections after each transaction.
    TransactionPooler {
        /// The treatment of named prepared statements.
        statements: NamedStatements,
    },
    /// A pooler that reassigns its server connections after each statement. No transaction can run.
    StatementPooler,
}

/// A pooler's treatment of named prepared statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NamedStatements {
    /// It renames them and prepares them on each server connection that needs them.
    Followed,
    /// It passes the clients' names through. Two clients that use one name for different statements
    /// get errors, or each other's statement without an error.
    Mixed,
}

/// The remedy for a pooler that the configuration does not declare.
pub(crate) const UNDECLARED: &str = "a pooler in transaction mode stands before the server, and \
    the configuration does not say so: set DB_POOLER=transaction";

impl Between {
    /// Returns the reason why a configuration with this `pooler` must not be used here; `None` when
    /// it may.
    #[must_use]
    pub const fn objection(self, pooler: Pooler) -> Option<&'static str> {
        match (self, pooler) {
            (Self::StatementPooler, _) => {
                Some("a pooler stands before the server that lets no transaction run")
            }
            (Self::TransactionPooler { .. }, Pooler::None) => Some(UNDECLARED),
            _ => None,
        }
    }
}

/// Detects a pooler between the client and the server, and its mode, over two connections. Call it
/// when an application starts; it leaves nothing behind.
///
/// A pooler in session mode that serves other clients at the same time looks like one in
/// transaction mode that happened to keep its two clients apart in each of 8 rounds. PgBouncer
/// assigns the last used connection first, so it never does that.
///
/// # Errors
///
/// [`DatabaseError`]: no connection, or no answer within the configuration's `statement_timeout`.
///
/// # Example
///
/// ```
/// use neobank_db::{DatabaseConfig, Pooler};
/// use neobank_db::pooler::{Between, inspect};
///
/// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let found = inspect(&DatabaseConfig::from_url(server.url())?).await?;
/// assert_eq!(found, Between::Nothing);
/// assert_eq!(found.objection(Pooler::None), None);
/// # Ok::<(), neobank_db::DatabaseError>(())
/// # }).unwrap();
/// ```
pub async fn inspect(config: &DatabaseConfig) -> Result<Between, DatabaseError> {
    let first = DirectConnection::open(config).await?;
    let second = DirectConnection::open(config).await?;
    let is_announced = match first.is_announced_backend().await? {
        Some(true) => second.is_announced_backend().await?,
        other => other,
    };
    match probe::sharing(&first, &second).await? {
        probe::Sharing::Statement => Ok(Between::StatementPooler),
        probe::Sharing::Transaction => Ok(Between::TransactionPooler {
            statements: probe::named_statements(&first).await?,
        }),
        probe::Sharing::None => Ok(match is_announced {
            Some(false) => Between::SessionPooler,
            Some(true) => Between::Nothing,
            None => Between::NothingOrSessionPooler,
        }),
    }
}
