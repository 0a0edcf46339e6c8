//! How the server carries a statement out.

use neobank_db::{Executor, Statement};

/// The plan of a statement that was run, with the rows that each of its steps gave.
pub(crate) async fn explain(on: &impl Executor, mut statement: Statement) -> String {
    statement.sql = format!(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {}",
        statement.sql
    );
    let lines: Vec<String> = on
        .query(statement)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    lines.join("\n")
}
