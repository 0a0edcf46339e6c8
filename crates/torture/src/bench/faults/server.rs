//! Faults of the server's processes.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Healing, NotPossible, by_continuing, by_itself};
use crate::bench::node::signal;
use crate::bench::stage::Stage;

/// The sessions of the load.
const SESSIONS: &str =
    "FROM pg_stat_activity WHERE application_name = 'torture-load' OR usename = 'teller'";

/// Ends the server by a signal to its first process.
pub(super) async fn ended(stage: &mut Stage, name: Signal) -> anyhow::Result<Healing> {
    stage.node.end(name).await?;
    Ok(by_itself())
}

/// Kills the server, and again while it recovers.
pub(super) async fn killed_in_recovery(stage: &mut Stage) -> anyhow::Result<Healing> {
    stage.node.end(Signal::SIGKILL).await?;
    stage.node.start_without_waiting()?;
    tokio::time::sleep(Duration::from_millis(60)).await;
    stage.node.end(Signal::SIGKILL).await?;
    Ok(by_itself())
}

/// Restarts the server three times.
pub(super) async fn restarted(stage: &mut Stage) -> anyhow::Result<Healing> {
    for _ in 0..3 {
        stage.node.end(Signal::SIGINT).await?;
        stage.node.start().await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(by_itself())
}

/// Runs a statement for each session of the load, several times.
pub(super) async fn sessions(stage: &mut Stage, function: &str) -> anyhow::Result<Healing> {
    let client = stage.node.connect(crate::bench::bank::DATABASE).await?;
    let sql = format!("SELECT {function}(pid) {SESSIONS}");
    for _ in 0..8 {
        client.batch_execute(&sql).await?;
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
    Ok(by_itself())
}

/// Kills a server process of the load; the server then ends all others, and recovers.
pub(super) async fn backend_killed(stage: &mut Stage) -> anyhow::Result<Healing> {
    if let Some(process) = backends(stage, 1).await?.first() {
        signal(*process, Signal::SIGKILL)?;
    }
    Ok(by_itself())
}

/// Stops server processes of the load.
pub(super) async fn backends_stopped(stage: &mut Stage, count: u32) -> anyhow::Result<Healing> {
    let processes = backends(stage, count).await?;
    for process in &processes {
        signal(*process, Signal::SIGSTOP)?;
    }
    Ok(by_continuing(processes))
}

/// Stops one of the server's own processes.
pub(super) async fn auxiliary_stopped(stage: &mut Stage, kind: &str) -> anyhow::Result<Healing> {
    let sql = format!("SELECT pid::bigint FROM pg_stat_activity WHERE backend_type = '{kind}'");
    let found = stage.node.numbers(&sql).await?;
    let process = found
        .first()
        .ok_or_else(|| NotPossible(format!("there is no {kind}")))?;
    let process = u32::try_from(*process)?;
    signal(process, Signal::SIGSTOP)?;
    Ok(by_continuing(vec![process]))
}

/// Stops all processes of the server.
pub(super) async fn frozen(stage: &mut Stage) -> anyhow::Result<Healing> {
    // The first process last to continue: it would take its children for crashed.
    let mut processes = vec![stage.node.process()?];
    processes.extend(stage.node.processes());
    for process in &processes {
        let _ = signal(*process, Signal::SIGSTOP);
    }
    processes.reverse();
    Ok(by_continuing(processes))
}

/// Returns server processes of the load, busy ones first.
async fn backends(stage: &Stage, count: u32) -> anyhow::Result<Vec<u32>> {
    let sql = format!(
        "SELECT pid::bigint {SESSIONS} ORDER BY state = 'active' DESC, random() LIMIT {count}"
    );
    let found = stage.node.numbers(&sql).await?;
    Ok(found
        .into_iter()
        .map(u32::try_from)
        .collect::<Result<_, _>>()?)
}
