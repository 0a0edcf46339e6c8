//! Faults of hostile settings of the role.

use super::{Healing, by_sql};
use crate::bench::stage::Stage;

/// Sets a default of the load's role and database, and ends its sessions, so that the next have it.
pub(super) async fn of_role(stage: &mut Stage, setting: &str) -> anyhow::Result<Healing> {
    stage
        .node
        .sql(&format!("ALTER ROLE teller SET {setting}; {END_SESSIONS}"))
        .await?;
    Ok(by_sql(RESET))
}

/// As [`of_role`], with a crash of the server in the middle.
pub(super) async fn of_role_and_crash(stage: &mut Stage, setting: &str) -> anyhow::Result<Healing> {
    let healing = of_role(stage, setting).await?;
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    stage.node.end(nix::sys::signal::Signal::SIGKILL).await?;
    stage.node.start().await?;
    Ok(healing)
}

const END_SESSIONS: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'teller'";

const RESET: &str = "ALTER ROLE teller RESET ALL;
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'teller'";
