//! One short connection to a server, to learn whether it answers and which version it is.

use std::io;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use crate::outside_runtime::outside_runtime;

/// Connects once, without TLS, and answers the server's major version. `Err` has what went wrong.
pub(crate) fn major_version(url: &str, limit: Duration) -> Result<u32, String> {
    let config: Config = url.parse().map_err(|error| describe(&error))?;
    outside_runtime(|| within(limit, ask(&config)))
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
            .unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs()).into()))
    })
}

async fn ask(config: &Config) -> Result<u32, String> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| describe(&error))?;
    let connection = tokio::spawn(connection);
    // A simple query: what is prepared under a name meets others' behind a pooler.
    let answer = client
        .simple_query("SHOW server_version_num")
        .await
        .map_err(|error| describe(&error))?;
    let number = answer
        .iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .ok_or_else(|| "it does not say its version".to_owned())?;
    drop(client);
    // The connection ends by itself once its client is gone; then the server has seen the goodbye.
    let _ = connection.await;
    number
        .parse::<u32>()
        .map(|number| number / 10_000)
        .map_err(|error| format!("server_version_num is {number}: {error}"))
}

/// Why a server could not be asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the server, the network or the clock said.
    pub(crate) reason: String,
    /// The server's own code, where the server has answered.
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

/// Runs the statements, each a transaction of its own, without TLS. `Err` has what went wrong.
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

/// The error with its causes: tokio-postgres keeps the telling part in the cause.
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
