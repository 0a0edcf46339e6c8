//! One statement on a connection of its own.

use tokio_postgres::{NoTls, SimpleQueryMessage};

/// Returns the first column of the first row, or the error of the server or the connection.
pub(crate) fn query(url: &str, statement: &str) -> Result<String, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            let connection = tokio::spawn(connection);
            let messages = client.simple_query(statement).await?;
            drop(client);
            connection.await.unwrap()?;
            Ok(messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            }))
        })
        .map(Option::unwrap_or_default)
        .map_err(|error: tokio_postgres::Error| {
            error
                .as_db_error()
                .map_or_else(|| format!("{error:?}"), |error| error.message().to_owned())
        })
}
