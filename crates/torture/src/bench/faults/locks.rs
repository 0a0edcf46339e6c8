//! Faults of locks that other sessions hold.

use futures_util::FutureExt;
use neobank_domain::{AccountId, Currency, Ledger, Money, Request, TransferRequest};
use nix::sys::signal::Signal;

use super::{Healing, by_ending};
use crate::bench::bank::DATABASE;
use crate::bench::node::signal;
use crate::bench::stage::Stage;
use crate::bench::worker::CURRENCY;

/// Runs statements in a transaction that stays open. `$hot` in them is the hot account.
pub(super) async fn held(stage: &mut Stage, sql: &str) -> anyhow::Result<Healing> {
    let client = stage.node.connect(DATABASE).await?;
    let sql = sql.replace("$hot", &format!("'{}'", stage.hot_account()));
    client
        .batch_execute("SET lock_timeout = '5s'; BEGIN")
        .await?;
    client.batch_execute(&sql).await?;
    Ok(by_ending(client))
}

/// As [`held`], by a server process that is stopped.
pub(super) async fn held_by_stopped(stage: &mut Stage) -> anyhow::Result<Healing> {
    let client = stage.node.connect(DATABASE).await?;
    let row = client.query_one("SELECT pg_backend_pid()", &[]).await?;
    let process = u32::try_from(row.try_get::<_, i32>(0)?)?;
    let sql = format!(
        "BEGIN; SELECT 1 FROM banking.accounts WHERE account_id = '{}' FOR UPDATE",
        stage.hot_account()
    );
    client.batch_execute(&sql).await?;
    signal(process, Signal::SIGSTOP)?;
    Ok(Box::new(move |_| {
        async move {
            signal(process, Signal::SIGCONT)?;
            drop(client);
            Ok(())
        }
        .boxed()
    }))
}

/// Uses every tenth of the load's next keys for transfers of its own, in a transaction that stays
/// open and is rolled back.
pub(super) async fn keys_held(stage: &mut Stage) -> anyhow::Result<Healing> {
    let [from, to] = stage.accounts_apart().await?.map(AccountId::from);
    let database = stage.database().await?;
    let ledger = Ledger::new(database.clone());
    let cent = Money::parse("0.01", Currency::from_code(CURRENCY)?)?;
    let mut requests = Vec::new();
    for worker in &stage.fleet.workers {
        for number in (0..400).step_by(10) {
            let key = format!("{}-{}-{number}", stage.round, worker.process);
            let transfer = TransferRequest::new(from, to, cent);
            requests.push(Request::from(transfer.with_idempotency_key(key)));
        }
    }
    let mut transaction = database.begin().await?;
    ledger.submit_all_in(&mut transaction, &requests).await?;
    Ok(Box::new(move |_| {
        async move {
            transaction.rollback().await?;
            database.close();
            Ok(())
        }
        .boxed()
    }))
}

/// Takes the advisory locks that the load's sessions take, as it sees them, for as long as it lasts.
pub(super) async fn advisory_taken(stage: &mut Stage) -> anyhow::Result<Healing> {
    let client = stage.node.connect(DATABASE).await?;
    let sql = "SELECT count(pg_try_advisory_lock((classid::bigint << 32) | objid::bigint))
               FROM (SELECT DISTINCT classid, objid FROM pg_locks
                     WHERE locktype = 'advisory' AND objsubid = 1) AS seen";
    let taking = tokio::spawn(async move {
        loop {
            if client.batch_execute(sql).await.is_err() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    Ok(Box::new(move |_| {
        async move {
            taking.abort();
            Ok(())
        }
        .boxed()
    }))
}
