//! One short connection to a server, to read its version.

use std::io;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use crate::outside_runtime::outside_runtime;

/// Connects once, without TLS, and returns the server's major version. `Err` contains the failure.
pub(crate) fn major_version(url: &str, limit: Duration) -> Result<u32, String> {
    let config: Config = url.parse().map_err(|error| describe(&error))?;
    outside_runtime(|| within(limit, read_version(&config)))
}

fn within<T, E: From<String>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error: io::Error| error.to_string())?;
    runtime.block_on(async {
        timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(format!("no response within {} s", limit.as_secs()).into()))
    })
}

async fn read_version(config: &Config) -> Result<u32, String> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| describe(&error))?;
    let connection = tokio::spawn(connection);
    // A simple query: a named prepared statement could collide with another client's behind a
    // pooler.
    let messages = client
        .simple_query("SHOW server_version_num")
        .await
        .map_err(|error| describe(&error))?;
    let number = messages
        .iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .ok_or_else(|| "its version is missing".to_owned())?;
    drop(client);
    // The connection ends by itself after its client; then the server has received the termination
    // message.
    let _ = connection.await;
    number
        .parse::<u32>()
        .map(|number| number / 10_000)
        .map_err(|error| format!("server_version_num is {number}: {error}"))
}

/// The failure of a connection.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The message of the server, the network or the time limit.
    pub(crate) reason: String,
    /// The server's SQLSTATE, where the server has responded.
    pub(crate) sqlstate: Option<String>,
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self {
            reason,
            sqlstate: None,
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self {
            reason: describe(&error),
            sqlstate: error.code().map(|code| code.code().to_owned()),
        }
    }
}

/// Runs the statements, each in a transaction of its own, without TLS. `Err` contains the failure.
pub(crate) fn execute(url: &str, statements: &[String], limit: Duration) -> Result<(), Failure> {
    let config: Config = url.parse().map_err(Failure::from)?;
    let work = async {
        let (client, connection) = config.connect(NoTls).await?;
        let connection = tokio::spawn(connection);
        for statement in statements {
            client.batch_execute(statement).await?;
        }
        drop(client);
        let _ = connection.await;
        Ok::<_, Failure>(())
    };
    outside_runtime(|| within(limit, work))
}

/// Returns the error with its causes: tokio-postgres keeps the details in the cause.
fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        let sqlstate = server.code().code();
        return format!("{} (SQLSTATE {sqlstate})", server.message());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
