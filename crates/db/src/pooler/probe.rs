//! The experiments that reveal a pooler's mode.

use std::collections::BTreeSet;
use std::time::Duration;

use super::NamedStatements;
use crate::connection::{DirectConnection, TextRow};
use crate::error::{DatabaseError, sqlstate};

/// The number of rounds in which two clients may receive each other's server connection: enough for
/// a pooler that rotates among a few.
const ROUNDS: usize = 8;

/// The time for which the second client's statement runs before the first client's transaction
/// ends. A pool of one connection answers the second client only after that.
const OVERLAP: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    None,
    Transaction,
    Statement,
}

pub(super) async fn process_id(connection: &DirectConnection) -> Result<i32, DatabaseError> {
    let rows = connection
        .simple_query("SELECT pg_catalog.pg_backend_pid() AS process_id")
        .await?;
    last_process_id(&rows)
}

/// Observes whether the clients' server processes change, or are ever the same.
pub(super) async fn sharing(
    first: &DirectConnection,
    second: &DirectConnection,
) -> Result<Sharing, DatabaseError> {
    let (mut of_first, mut of_second) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..ROUNDS {
        let begun = first
            .simple_query("BEGIN READ ONLY; SELECT pg_catalog.pg_backend_pid() AS process_id")
            .await;
        let begun = match begun {
            Ok(rows) => last_process_id(&rows)?,
            // PgBouncer in this mode rejects `BEGIN` with 08P01, protocol violation.
            Err(DatabaseError::Server(error)) if error.sqlstate == sqlstate::PROTOCOL_VIOLATION => {
                return Ok(Sharing::Statement);
            }
            Err(DatabaseError::ConnectionLost {
                server: Some(error),
                ..
            }) if error.sqlstate == sqlstate::PROTOCOL_VIOLATION => {
                return Ok(Sharing::Statement);
            }
            Err(error) => return Err(error),
        };
        if process_id(first).await? != begun {
            return Ok(Sharing::Statement);
        }
        let (other, ended) = tokio::join!(process_id(second), async {
            tokio::time::sleep(OVERLAP).await;
            first.simple_query("COMMIT").await
        });
        ended?;
        of_first.insert(begun);
        of_second.insert(other?);
        of_second.insert(process_id(second).await?);
        of_first.insert(process_id(first).await?);
        if of_first.len() > 1 || of_second.len() > 1 || !of_first.is_disjoint(&of_second) {
            return Ok(Sharing::Transaction);
        }
    }
    Ok(Sharing::None)
}

/// Determines the name under which the server knows a statement that the driver has named. Runs in
/// a transaction, so that the backend that prepared it also lists and deallocates it.
pub(super) async fn named_statements(
    connection: &DirectConnection,
) -> Result<NamedStatements, DatabaseError> {
    const LIST: &str = "SELECT name FROM pg_catalog.pg_prepared_statements \
        WHERE statement = 'SELECT 1 AS neobank_pooler_probe'";
    connection.simple_query("BEGIN READ ONLY").await?;
    let statement = connection
        .prepare("SELECT 1 AS neobank_pooler_probe")
        .await?;
    connection.run(&statement).await?;
    let names = connection.simple_query(LIST).await?;
    // The driver deallocates the statement before the transaction ends, and so before another
    // client can get its backend.
    drop(statement);
    connection.simple_query("COMMIT").await?;
    let mixed = names
        .iter()
        .filter_map(|row| row.get("name"))
        .any(is_name_of_the_driver);
    Ok(if mixed || names.is_empty() {
        NamedStatements::Mixed
    } else {
        NamedStatements::Followed
    })
}

/// Returns true for a name of the driver, which counts its statements: `s0`, `s1` and so on.
fn is_name_of_the_driver(name: &str) -> bool {
    name.strip_prefix('s').is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn last_process_id(rows: &[TextRow]) -> Result<i32, DatabaseError> {
    let row = rows.last().ok_or(DatabaseError::NoRow)?;
    row.get("process_id")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| DatabaseError::Row {
            reason: "process_id is missing, or no number".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooler_names_differ_from_driver_names() {
        for (name, expected) in [
            ("s0", true),
            ("s12", true),
            ("PGBOUNCER_1", false),
            ("s", false),
            ("s1x", false),
        ] {
            assert_eq!(is_name_of_the_driver(name), expected, "{name}");
        }
    }
}
