//! Faults of the load's own processes.

use futures_util::FutureExt;
use nix::sys::signal::Signal;

use super::{Healing, by_itself};
use crate::bench::stage::Stage;
use crate::bench::worker::Command;

/// Kills processes of the load; successors take over their unresolved requests.
pub(super) async fn killed(stage: &mut Stage, count: usize) -> anyhow::Result<Healing> {
    for _ in 0..count.min(stage.fleet.workers.len()) {
        // The successor is the last of the list.
        stage.fleet.replace(0)?;
    }
    Ok(by_itself())
}

/// Stops a process of the load, which may hold locks and connections.
pub(super) async fn stopped(stage: &mut Stage, index: usize) -> anyhow::Result<Healing> {
    if let Some(worker) = stage.fleet.workers.get(index) {
        worker.signal(Signal::SIGSTOP)?;
    }
    Ok(Box::new(move |stage| {
        async move {
            match stage.fleet.workers.get(index) {
                Some(worker) => worker.signal(Signal::SIGCONT),
                None => Ok(()),
            }
        }
        .boxed()
    }))
}

/// Drops the futures of calls at their await points.
pub(super) async fn dropped(stage: &mut Stage) -> anyhow::Result<Healing> {
    stage.fleet.tell(&Command::DropCalls { on: true })?;
    Ok(Box::new(|stage| {
        async move { stage.fleet.tell(&Command::DropCalls { on: false }) }.boxed()
    }))
}
