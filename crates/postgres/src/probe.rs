//! One short connection to a server, to learn whether it answers and which version it is.

use std::io;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_postgres::{Config, NoTls};

use crate::outside_runtime::outside_runtime;

/// Connects once, without TLS, and answers the server's major version. `Err` has what went wrong.
pub(crate) fn major_version(url: &str, limit: Duration) -> Result<u32, String> {
    let config: Config = url.parse().map_err(|error| describe(&error))?;
    outside_runtime(|| within(limit, ask(&config)))
}

fn within<T>(limit: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error: io::Error| error.to_string())?;
    runtime.block_on(async {
        timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())))
    })
}

async fn ask(config: &Config) -> Result<u32, String> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| describe(&error))?;
    let connection = tokio::spawn(connection);
    let row = client
        .query_one("SELECT current_setting('server_version_num')", &[])
        .await
        .map_err(|error| describe(&error))?;
    let number: String = row.try_get(0).map_err(|error| describe(&error))?;
    drop(client);
    // The connection ends by itself once its client is gone; then the server has seen the goodbye.
    let _ = connection.await;
    number
        .parse::<u32>()
        .map(|number| number / 10_000)
        .map_err(|error| format!("server_version_num is {number}: {error}"))
}

/// Runs the statements, each a transaction of its own, without TLS. `Err` has what went wrong.
pub(crate) fn execute(url: &str, statements: &[String], limit: Duration) -> Result<(), String> {
    let config: Config = url.parse().map_err(|error| describe(&error))?;
    let work = async {
        let (client, connection) = config
            .connect(NoTls)
            .await
            .map_err(|error| describe(&error))?;
        let connection = tokio::spawn(connection);
        for statement in statements {
            client
                .batch_execute(statement)
                .await
                .map_err(|error| describe(&error))?;
        }
        drop(client);
        let _ = connection.await;
        Ok(())
    };
    outside_runtime(|| within(limit, work))
}

/// The error with its causes: tokio-postgres keeps the telling part in the cause.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
