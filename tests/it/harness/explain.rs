//! Execution plans.

use neobank_db::{Executor, Statement};

/// Runs a statement, and returns its plan with the rows of each step.
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
