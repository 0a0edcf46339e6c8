//! Faults of PgBouncer. The load with direct connections must not notice them.

use futures_util::FutureExt;
use nix::sys::signal::Signal;

use super::{Healing, by_itself};
use crate::bench::stage::Stage;

/// Kills PgBouncer.
pub(super) async fn killed(stage: &mut Stage) -> anyhow::Result<Healing> {
    stage.pgbouncer.kill()?;
    Ok(by_itself())
}

/// Stops the process of PgBouncer.
pub(super) async fn stopped(stage: &mut Stage) -> anyhow::Result<Healing> {
    stage.pgbouncer.signal(Signal::SIGSTOP)?;
    Ok(Box::new(|stage| {
        async move { stage.pgbouncer.signal(Signal::SIGCONT) }.boxed()
    }))
}

/// Runs a command of PgBouncer's console, and another one to end its effect.
pub(super) async fn command(
    stage: &mut Stage,
    begins: &'static str,
    ends: &'static str,
) -> anyhow::Result<Healing> {
    // PAUSE answers once the last transaction has ended.
    let limit = std::time::Duration::from_secs(3);
    let _ = tokio::time::timeout(limit, stage.pgbouncer.command(begins)).await;
    Ok(Box::new(move |stage| {
        async move {
            if ends.is_empty() {
                return Ok(());
            }
            stage.pgbouncer.command(ends).await
        }
        .boxed()
    }))
}
