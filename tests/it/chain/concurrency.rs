//! Sealing beside callers that post, and beside killed backends.
//!
//! `NEOBANK_CHAIN_TRANSFERS` is the number of transfers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use neobank_db::{Database, ErrorClass, Executor, statement};
use neobank_domain::chain;
use neobank_domain::ledger::{CaptureRequest, HoldRequest};
use neobank_domain::{AccountId, Ledger, TransferRequest};

use super::{assert_sealed_in_order, findings, seal_all};
use crate::harness::{TestBank, czk, grouped};

on_both_versions!(every_record_is_sealed_once_beside_callers_and_kills);

const CALLERS: usize = 16;
const TRANSFERS: usize = 1_600;

async fn every_record_is_sealed_once_beside_callers_and_kills(bank: TestBank) {
    let transfers =
        std::env::var("NEOBANK_CHAIN_TRANSFERS").map_or(TRANSFERS, |text| text.parse().unwrap());
    let mut accounts = Vec::new();
    for _ in 0..6 {
        accounts.push(bank.account(czk("1000")).await);
    }
    let accounts: Arc<[AccountId]> = accounts.into();
    let over = Arc::new(AtomicBool::new(false));
    let sealers: Vec<_> = (0..2)
        .map(|_| tokio::spawn(seal_until(bank.database.clone(), Arc::clone(&over))))
        .collect();
    let killer = tokio::spawn(kill_until(bank.superuser().await, Arc::clone(&over)));
    let shared = grouped(&bank.ledger);
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let ledger = if caller % 2 == 0 {
                bank.ledger.clone()
            } else {
                shared.clone()
            };
            let accounts = Arc::clone(&accounts);
            tokio::spawn(async move {
                for number in 0..transfers / CALLERS {
                    post(&ledger, &accounts, caller, number).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let kills = killer.await.unwrap();
    let mut sealed = 0;
    for sealer in sealers {
        sealed += sealer.await.unwrap();
    }
    let rest = seal_all(&bank.database).await;
    let events = assert_sealed_in_order(&bank).await;
    println!(
        "PostgreSQL {}: {} records, {sealed} sealed beside the callers, {rest} afterwards, {kills} kills",
        bank.version,
        events.len()
    );
    assert!(kills > 0 && sealed > 0, "{kills} kills, {sealed} sealed");
    bank.assert_sound().await;
}

/// Posts a transfer or a hold with its capture. A killed backend may fail it.
async fn post(ledger: &Ledger, accounts: &[AccountId], caller: usize, number: usize) {
    let from = accounts[(caller + number) % accounts.len()];
    let to = accounts[(caller * 2 + number * 3 + 1) % accounts.len()];
    if from == to {
        return;
    }
    if number.is_multiple_of(8) {
        if let Ok(hold) = ledger.hold(HoldRequest::new(from, czk("2"))).await {
            let capture = CaptureRequest::new(hold.hold_id).with_destination(to);
            drop(ledger.capture(capture).await);
        }
    } else {
        drop(
            ledger
                .transfer(TransferRequest::new(from, to, czk("1")))
                .await,
        );
    }
}

async fn seal_until(database: Database, over: Arc<AtomicBool>) -> i64 {
    let mut sealed = 0;
    while !over.load(Ordering::Relaxed) {
        match chain::seal(&database, 50).await {
            Ok(report) => sealed += report.sealed_records,
            Err(error) => assert!(
                matches!(
                    error.class(),
                    ErrorClass::ConnectionLost | ErrorClass::ServerUnavailable
                ) || error.to_string().contains("commit"),
                "{error:?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sealed
}

/// Kills a backend of the application now and then, and returns how many.
async fn kill_until(superuser: Database, over: Arc<AtomicBool>) -> i64 {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM (
            SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
            ORDER BY random() LIMIT 1) AS chosen";
    let mut kills = 0;
    while !over.load(Ordering::Relaxed) {
        kills += superuser
            .fetch_value::<i64>(statement(sql, []))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert_eq!(findings(&superuser).await, []);
    kills
}
