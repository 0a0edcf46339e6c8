//! The check whether a database has rows that are worth keeping.

use neobank_db::DatabaseError;

use crate::error::RolloutError;
use crate::options::RolloutOptions;
use crate::session::{Session, column};

/// Tables that migrations fill, whose rows migrations restore.
const FILLED_BY_MIGRATIONS: [&str; 1] = ["banking.currencies"];

/// Tables with rows of their own, as quoted identifiers; the journal's come first.
const TABLES: &str = "
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'm')
ORDER BY c.relname IN ('transfers', 'transactions') DESC, 1";

/// Returns the first table with a row. A table that cannot be read is an error, never an empty
/// table.
pub(crate) async fn table_with_rows(
    session: &Session,
    options: &RolloutOptions,
) -> Result<Option<String>, RolloutError> {
    let found = look(session, options).await;
    // Ends the transaction, which only limits the scope of the settings, also after an error.
    let ended = session.batch("ROLLBACK").await;
    let found = found.map_err(|error| RolloutError::database(&error))?;
    ended.map_err(|error| RolloutError::database(&error))?;
    Ok(found)
}

async fn look(
    session: &Session,
    options: &RolloutOptions,
) -> Result<Option<String>, DatabaseError> {
    session.batch("BEGIN READ ONLY").await?;
    session.batch(&options.limits()).await?;
    let names = options.schema.names.iter().map(|name| (*name).to_owned());
    let names: Vec<String> = names.collect();
    for row in session.rows(TABLES, [names.into()]).await? {
        let table: String = column(&row, 0)?;
        if FILLED_BY_MIGRATIONS.contains(&table.as_str()) {
            continue;
        }
        let sql = format!("SELECT EXISTS (SELECT FROM {table})");
        if session.value(&sql, []).await? {
            return Ok(Some(table));
        }
    }
    Ok(None)
}
