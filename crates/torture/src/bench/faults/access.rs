//! Faults of passwords and privileges that are withdrawn for a while.

use futures_util::FutureExt;

use super::{Healing, by_sql};
use crate::bench::stage::Stage;

const END_SESSIONS: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'teller'";

/// Runs statements, ends the load's sessions, and runs others that undo them.
pub(super) async fn withdrawn(
    stage: &mut Stage,
    sql: &str,
    undo: &'static str,
) -> anyhow::Result<Healing> {
    stage.node.sql(&format!("{sql}; {END_SESSIONS}")).await?;
    Ok(by_sql(undo))
}

/// Changes the load's password, and changes it back.
pub(super) async fn password_rotated(stage: &mut Stage) -> anyhow::Result<Healing> {
    let sql = format!("ALTER ROLE teller PASSWORD 'another'; {END_SESSIONS}");
    stage.node.sql(&sql).await?;
    Ok(Box::new(|stage| {
        async move {
            let sql = format!("ALTER ROLE teller PASSWORD '{}'", stage.password);
            stage.node.sql(&sql).await
        }
        .boxed()
    }))
}
