//! What stands between us and the server: found out by trying, because no pooler says it.

mod probe;

use serde::Serialize;

use crate::config::{DatabaseConfig, Pooler};
use crate::connection::DirectConnection;
use crate::error::DatabaseError;

/// What stands between us and the server, as two connections saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Between {
    /// Nothing that changes what a session is: the server's own process id was announced.
    Nothing,
    /// Nothing, or a pooler in session mode: it is not known which process id was announced.
    NothingOrSessionPooler,
    /// A pooler that kept each client on a server connection of its own.
    SessionPooler,
    /// A pooler that gives its server connections to another client after each transaction.
    TransactionPooler {
        /// What it does with named prepared statements.
        statements: NamedStatements,
    },
    /// A pooler that gives its server connections to another client after each statement. No transaction can run.
    StatementPooler,
}

/// What a pooler does with named prepared statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NamedStatements {
    /// It gives them names of its own and prepares them on each server connection that needs them.
    Followed,
    /// It lets the clients' names through: two clients that use the same name for different statements get errors, or each
    /// other's statement without any error.
    Mixed,
}

/// What a pooler is refused with that the configuration does not name.
pub(crate) const UNDECLARED: &str = "a pooler in transaction mode stands before the server, and \
    the configuration does not say so: set DB_POOLER=transaction";

impl Between {
    /// Why a configuration that says `pooler` must not be used here; none when it may.
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

/// Finds out whether a pooler stands between us and the server, and what it does, over two connections. To be called as an
/// application starts; it leaves nothing behind.
///
/// A pooler in session mode that serves others at the same time cannot be told from one in transaction mode that happened
/// to keep its two clients apart in each of 8 rounds; PgBouncer, which gives the last connection first, never does.
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
