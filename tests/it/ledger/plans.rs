//! What a transfer costs does not grow with the journal, also on connections that were opened when it was empty.

use neobank_db::{Database, Executor, FromQueryResult, statement};
use neobank_domain::{Ledger, Request, TransferRequest};

use crate::harness::{TestBank, czk};

on_both_versions!(the_journal_is_never_read_as_a_whole);

#[derive(Debug, FromQueryResult)]
struct Reads {
    sequential: i64,
    by_index: i64,
}

/// Rows that were read so far by reading `transfers` and `transactions` whole, and how often an index was used.
async fn reads(database: &Database) -> Reads {
    let sql = "SELECT sum(seq_tup_read)::bigint AS sequential, sum(idx_scan)::bigint AS by_index
               FROM pg_stat_user_tables WHERE relname IN ('transfers', 'transactions')";
    database
        .fetch_one(statement(sql, []))
        .await
        .unwrap()
        .unwrap()
}

async fn the_journal_is_never_read_as_a_whole(bank: TestBank) {
    // The server must not help by gathering statistics in between.
    let superuser = bank.superuser().await;
    for table in ["transfers", "transactions", "accounts"] {
        let sql = format!("ALTER TABLE banking.{table} SET (autovacuum_enabled = off)");
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
    let (from, to) = (
        bank.account(czk("100000")).await,
        bank.account(czk("0")).await,
    );
    let mut config = bank.config();
    config.pool_max = 1;
    let database = Database::connect(config).await.unwrap();
    let ledger = Ledger::new(database.clone());
    let transfer = |key: String| TransferRequest::new(from, to, czk("1")).with_key(key);
    // Plans are made here, first for one, then for many.
    for number in 0..20 {
        ledger
            .transfer(transfer(format!("small {number}")))
            .await
            .unwrap();
    }
    let many: Vec<Request> = (0..2_000)
        .map(|number| transfer(format!("many {number}")).into())
        .collect();
    ledger.submit_all(&many).await.unwrap();
    flush(&database).await;
    let before = reads(&superuser).await;
    for number in 0..20 {
        ledger
            .transfer(transfer(format!("large {number}")))
            .await
            .unwrap();
        // The same again looks up a key that is there.
        ledger
            .transfer(transfer(format!("large {number}")))
            .await
            .unwrap();
    }
    ledger.submit_all(&many).await.unwrap();
    flush(&database).await;
    let after = reads(&superuser).await;
    assert!(
        after.by_index >= before.by_index + 100,
        "{before:?} {after:?}"
    );
    assert_eq!(after.sequential, before.sequential, "{before:?} {after:?}");
}

/// Sends the counts of this pool's one connection to where others see them.
async fn flush(database: &Database) {
    database
        .execute(statement("SELECT pg_stat_force_next_flush()", []))
        .await
        .unwrap();
    database.execute(statement("SELECT 1", [])).await.unwrap();
}
