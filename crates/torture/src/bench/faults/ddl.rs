//! Faults of maintenance and changes of the schema in the middle of the load.

use neobank_migration::{Rollout, RolloutOptions};
use tokio_postgres::error::SqlState;

use super::{Healing, by_itself, by_sql};
use crate::bench::stage::Stage;

/// The most attempts of a statement that ends in deadlocks.
const ATTEMPTS: usize = 10;

/// Runs statements, and others that undo them.
pub(super) async fn run(
    stage: &mut Stage,
    statements: &[&str],
    undo: &'static str,
) -> anyhow::Result<Healing> {
    let client = stage.node.connect(crate::bench::bank::DATABASE).await?;
    for sql in statements {
        let mut outcome = client.batch_execute(sql).await;
        // A rebuild may be the victim of a deadlock with the load; its operator repeats it.
        for _ in 1..ATTEMPTS {
            match &outcome {
                Err(error) if error.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED) => {
                    outcome = client.batch_execute(sql).await;
                }
                _ => break,
            }
        }
        outcome?;
    }
    Ok(if undo.is_empty() {
        by_itself()
    } else {
        by_sql(undo)
    })
}

/// Rolls the schema out again, with a function that has to be replaced.
pub(super) async fn rolled_out(stage: &mut Stage) -> anyhow::Result<Healing> {
    let url = stage.owner_url();
    let rollout = Rollout::connect(&url, RolloutOptions::default()).await?;
    rollout.up().await?;
    Ok(by_itself())
}
