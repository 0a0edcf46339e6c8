//! Faults of exhausted resources.

use std::process::Command;

use anyhow::Context;
use futures_util::FutureExt;
use tokio_postgres::Client;

use super::{Healing, NotPossible, by_ending, by_sql};
use crate::bench::bank::DATABASE;
use crate::bench::stage::Stage;
use crate::bench::workplace;

/// Takes every connection of the server, those of the load too.
pub(super) async fn connections_exhausted(stage: &mut Stage) -> anyhow::Result<Healing> {
    let mut taken: Vec<Client> = Vec::new();
    for round in 0..2 {
        while let Ok(client) = stage.node.connect(DATABASE).await {
            taken.push(client);
        }
        if round == 0
            && let Some(client) = taken.first()
        {
            // The load cannot get its connections back.
            let sql =
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'teller'";
            client.batch_execute(sql).await?;
        }
    }
    Ok(Box::new(move |_| {
        async move {
            drop(taken);
            Ok(())
        }
        .boxed()
    }))
}

/// Fills the server's table of locks.
pub(super) async fn locks_exhausted(stage: &mut Stage) -> anyhow::Result<Healing> {
    let client = stage.node.connect(DATABASE).await?;
    let sql = "DO $$BEGIN
        FOR number IN 1..1000000 LOOP
            PERFORM pg_advisory_lock(number);
        END LOOP;
    EXCEPTION WHEN out_of_memory THEN NULL;
    END$$";
    client.batch_execute(sql).await?;
    // The locks of a session survive the error's subtransaction only as far as they were taken in it.
    for first in (2_000_000..2_040_000).step_by(500) {
        let sql = format!(
            "SELECT count(pg_advisory_lock(number)) FROM generate_series({first}, {}) AS number",
            first + 499
        );
        if client.batch_execute(&sql).await.is_err() {
            break;
        }
    }
    Ok(by_ending(client))
}

/// Fills the file system of the server's data.
pub(super) async fn disk_full(stage: &mut Stage) -> anyhow::Result<Healing> {
    if let Some(reason) = &stage.no_small_disk {
        return Err(NotPossible(format!("no small file system: {reason}")).into());
    }
    let filler = stage.node.folder().join("filler");
    let given = filler.clone();
    let filled = tokio::task::spawn_blocking(move || fill(&given)).await?;
    filled?;
    Ok(Box::new(move |_| {
        async move { std::fs::remove_file(&filler).context("the filler is gone") }.boxed()
    }))
}

/// Takes all space, in steps that get smaller.
fn fill(filler: &std::path::Path) -> anyhow::Result<()> {
    let mut size = 0_u64;
    std::fs::File::create(filler)?;
    for step in [64, 8, 1]
        .map(|megabytes: u64| megabytes * 1_048_576)
        .into_iter()
        .chain([4096])
    {
        while workplace::run(
            Command::new("fallocate")
                .args(["-l", &(size + step).to_string()])
                .arg(filler),
        )
        .is_ok()
        {
            size += step;
        }
    }
    Ok(())
}

/// Leaves a prepared transaction that has locked the hot account.
pub(super) async fn prepared_transaction(stage: &mut Stage) -> anyhow::Result<Healing> {
    let sql = format!(
        "BEGIN; SELECT 1 FROM banking.accounts WHERE account_id = '{}' FOR UPDATE;
         PREPARE TRANSACTION 'torture'",
        stage.hot_account()
    );
    stage.node.sql(&sql).await?;
    Ok(by_sql("ROLLBACK PREPARED 'torture'"))
}
