//! Faults with a standby, which each of them creates.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::FutureExt;
use nix::sys::signal::Signal;

use super::{Healing, by_itself};
use crate::bench::node::Node;
use crate::bench::stage::Stage;

const WAIT: Duration = Duration::from_secs(30);

/// Stops a synchronous standby: commits wait. Then it continues.
pub(super) async fn standby_lost(stage: &mut Stage) -> anyhow::Result<Healing> {
    let standby = synchronous(stage).await?;
    for process in standby.processes() {
        let _ = crate::bench::node::signal(process, Signal::SIGSTOP);
    }
    Ok(Box::new(move |stage| {
        async move {
            for process in standby.processes() {
                let _ = crate::bench::node::signal(process, Signal::SIGCONT);
            }
            alone(stage).await?;
            drop(standby);
            Ok(())
        }
        .boxed()
    }))
}

/// Kills the primary, and promotes the synchronous standby.
pub(super) async fn failover(stage: &mut Stage) -> anyhow::Result<Healing> {
    let standby = synchronous(stage).await?;
    stage.node.end(Signal::SIGKILL).await?;
    promote(stage, standby).await?;
    Ok(by_itself())
}

/// Stops a synchronous standby, and cancels the waits for it: what is committed then is not
/// replicated, and its callers must not be told that all is well.
pub(super) async fn wait_cancelled(stage: &mut Stage) -> anyhow::Result<Healing> {
    let healing = standby_lost(stage).await?;
    for _ in 0..8 {
        stage
            .node
            .sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'teller'")
            .await?;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    Ok(healing)
}

/// Stops a synchronous standby, ends the sessions that wait for it, kills the primary, and promotes
/// the standby, which lacks what was committed meanwhile.
pub(super) async fn failover_after_loss(stage: &mut Stage) -> anyhow::Result<Healing> {
    let standby = synchronous(stage).await?;
    let stopped = standby.processes();
    for process in &stopped {
        let _ = crate::bench::node::signal(*process, Signal::SIGSTOP);
    }
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage
            .node
            .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'teller'")
            .await?;
    }
    stage.node.end(Signal::SIGKILL).await?;
    for process in stopped {
        let _ = crate::bench::node::signal(process, Signal::SIGCONT);
    }
    promote(stage, standby).await?;
    Ok(by_itself())
}

/// Kills the primary while an asynchronous standby lags behind it, and promotes that.
pub(super) async fn lossy_failover(stage: &mut Stage) -> anyhow::Result<Healing> {
    let standby = follower(stage).await?;
    // What the primary acknowledges from now on, the standby does not get.
    let client = standby.connect("postgres").await?;
    client
        .batch_execute("ALTER SYSTEM SET primary_conninfo = ''")
        .await?;
    client.batch_execute("SELECT pg_reload_conf()").await?;
    drop(client);
    tokio::time::sleep(Duration::from_millis(700)).await;
    stage.node.end(Signal::SIGKILL).await?;
    promote(stage, standby).await?;
    Ok(by_itself())
}

/// Sends all connections to a standby, which takes no write.
pub(super) async fn connected_to_standby(stage: &mut Stage) -> anyhow::Result<Healing> {
    let standby = follower(stage).await?;
    stage.upstream.set(standby.port());
    stage
        .proxies()
        .for_each(|proxy| proxy.cut(crate::bench::proxy::Cut::Close));
    stage.pool_proxy.cut(crate::bench::proxy::Cut::Close);
    Ok(Box::new(move |stage| {
        async move {
            stage.upstream.set(stage.node.port());
            stage
                .proxies()
                .for_each(|proxy| proxy.cut(crate::bench::proxy::Cut::Close));
            stage.pool_proxy.cut(crate::bench::proxy::Cut::Close);
            drop(standby);
            Ok(())
        }
        .boxed()
    }))
}

/// Creates a standby that streams.
async fn follower(stage: &mut Stage) -> anyhow::Result<Node> {
    let folder = stage.new_folder()?;
    let programs = stage.node.programs().to_owned();
    let standby = Node::copy(&programs, folder, &stage.node.url(), true).await?;
    await_number(
        &stage.node,
        "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'",
    )
    .await?;
    Ok(standby)
}

/// Creates a standby, and makes every commit wait for it.
async fn synchronous(stage: &mut Stage) -> anyhow::Result<Node> {
    let standby = follower(stage).await?;
    let client = stage.node.connect("postgres").await?;
    client
        .batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        .await?;
    client.batch_execute("SELECT pg_reload_conf()").await?;
    drop(client);
    await_number(
        &stage.node,
        "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'",
    )
    .await?;
    let client = stage.node.connect("postgres").await?;
    let row = client
        .query_one("SELECT pg_current_wal_insert_lsn()::text", &[])
        .await?;
    let written: String = row.try_get(0)?;
    let sql =
        format!("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '{written}'::pg_lsn");
    await_number(&stage.node, &sql).await?;
    Ok(standby)
}

/// Makes commits wait for no standby.
async fn alone(stage: &Stage) -> anyhow::Result<()> {
    let client = stage.node.connect("postgres").await?;
    client
        .batch_execute("ALTER SYSTEM RESET synchronous_standby_names")
        .await?;
    client.batch_execute("SELECT pg_reload_conf()").await?;
    Ok(())
}

/// Promotes a standby; all connections go there.
async fn promote(stage: &mut Stage, standby: Node) -> anyhow::Result<()> {
    let client = standby.connect("postgres").await?;
    let row = client.query_one("SELECT pg_promote(true, 20)", &[]).await?;
    anyhow::ensure!(row.try_get::<_, bool>(0)?, "the standby was not promoted");
    stage.upstream.set(standby.port());
    stage.node = standby;
    // The standby's folder is not on the small file system.
    stage.no_small_disk = Some("a failover has moved the server to another disk".to_owned());
    Ok(())
}

/// Waits until a query returns a number above zero.
async fn await_number(node: &Node, sql: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + WAIT;
    while Instant::now() < deadline {
        let found = node.numbers(sql).await?;
        if *found.first().context("no row")? > 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("in vain: {sql}")
}
