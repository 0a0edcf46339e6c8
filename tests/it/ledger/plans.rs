//! Plans: the cost of a transfer does not grow with the journal, even on connections that were
//! opened when it was empty.

use std::time::{Duration, Instant};

use neobank_db::{Database, Executor, FromRow, statement};
use neobank_domain::{Request, TransferRequest};

use crate::harness::{TestBank, czk, single};

on_both_versions!(
    growing_journal_is_never_scanned,
    planner_settings_never_cause_a_scan_of_the_journal,
    functions_that_write_the_journal_pin_the_same_settings,
    large_batch_reads_no_more_rows_per_transfer,
    account_updates_stay_on_their_page,
    analyze_of_the_journal_reads_a_small_sample,
);

#[derive(Debug, FromRow)]
struct Reads {
    sequential: i64,
    by_index: i64,
}

/// The rows read so far by sequential scans of `transfers` and `transactions`, and the number of
/// index scans.
async fn reads(database: &Database) -> Reads {
    let sql = "SELECT sum(seq_tup_read)::bigint AS sequential, sum(idx_scan)::bigint AS by_index
               FROM pg_stat_user_tables WHERE relname IN ('transfers', 'transactions')";
    database
        .fetch_one(statement(sql, []))
        .await
        .unwrap()
        .unwrap()
}

async fn planner_settings_never_cause_a_scan_of_the_journal(bank: TestBank) {
    let superuser = bank.superuser().await;
    for setting in [
        "enable_nestloop = off",
        "enable_indexscan = off",
        "enable_bitmapscan = off",
        "enable_indexonlyscan = off",
        "jit_above_cost = 0",
        "jit_inline_above_cost = 0",
        "plan_cache_mode = force_custom_plan",
    ] {
        let sql = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting}', current_database()); END $$"
        );
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
    let jit = "SELECT current_setting('jit')";
    let fresh = Database::connect(bank.config()).await.unwrap();
    let jit: String = fresh.fetch_value(statement(jit, [])).await.unwrap();
    assert_eq!(jit, "off");
    growing_journal_is_never_scanned(bank).await;
}

/// A session makes the plans of the internal functions once, with the settings of the function that
/// calls them first.
async fn functions_that_write_the_journal_pin_the_same_settings(bank: TestBank) {
    let sql = "SELECT function.proname::text AS name,
                      array_to_string(ARRAY(SELECT setting FROM unnest(function.proconfig) AS setting
                                            WHERE setting NOT LIKE 'lock\\_timeout=%'), ', ') AS planner,
                      array_to_string(ARRAY(SELECT setting FROM unnest(function.proconfig) AS setting
                                            WHERE setting LIKE 'lock\\_timeout=%'), ', ') AS locks,
                      function.prosrc ~ 'banking[.](apply_balances|insert_journal|validate_read_set)[(]' AS calls
               FROM pg_catalog.pg_proc AS function
               WHERE function.pronamespace = 'banking'::regnamespace
               ORDER BY function.proname";
    let functions: Vec<Pinned> = bank
        .superuser()
        .await
        .fetch_many(statement(sql, []))
        .await
        .unwrap();
    let pinned = |name: &str| functions.iter().find(|one| one.name == name).unwrap();
    let planner = &pinned("post_transfers").planner;
    assert!(planner.contains("plan_cache_mode=force_generic_plan"));
    let callers: Vec<&Pinned> = functions.iter().filter(|one| one.calls).collect();
    for name in [
        "apply_entries",
        "post_transfers",
        "post_transfers_optimistic",
        "post_transfers_pipelined",
    ] {
        assert!(callers.iter().any(|one| one.name == name), "{callers:?}");
    }
    for caller in callers {
        assert_eq!(&caller.planner, planner, "{}", caller.name);
        let locks = match caller.name.as_str() {
            "post_transfers_optimistic" | "post_transfers_pipelined" => "lock_timeout=10ms",
            _ => "",
        };
        assert_eq!(caller.locks, locks, "{}", caller.name);
    }
    // The internal functions run under the settings of their callers.
    for name in [
        "apply_balances",
        "compose_transfers",
        "insert_journal",
        "validate_read_set",
    ] {
        let own = pinned(name);
        assert_eq!(own.planner, "search_path=pg_catalog, pg_temp", "{name}");
        assert_eq!(own.locks, "", "{name}");
    }
}

#[derive(Debug, FromRow)]
struct Pinned {
    name: String,
    /// The settings of the planner, and the search path.
    planner: String,
    locks: String,
    /// `true` for a function that calls an internal function which reads or writes the journal.
    calls: bool,
}

async fn growing_journal_is_never_scanned(bank: TestBank) {
    // No autovacuum may collect statistics in between.
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
    let ledger = single(database.clone());
    let transfer = |key: String| TransferRequest::new(from, to, czk("1")).with_idempotency_key(key);
    // The plans are made here, first for one transfer and then for many.
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
        // The repetition looks up a key that exists.
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

/// Returns the number of rows of accounts and entries that were fetched so far.
async fn rows_fetched(database: &Database) -> i64 {
    let sql = "SELECT sum(idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_user_tables
               WHERE schemaname = 'banking' AND relname IN ('accounts', 'transfers', 'transactions')";
    database.fetch_value(statement(sql, [])).await.unwrap()
}

/// The connection made its plans for single transfers.
async fn large_batch_reads_no_more_rows_per_transfer(bank: TestBank) {
    let mut accounts = Vec::new();
    for _ in 0..200 {
        accounts.push(bank.account(czk("10")).await);
    }
    let mut config = bank.config();
    config.pool_max = 1;
    let database = Database::connect(config).await.unwrap();
    let ledger = single(database.clone());
    for _ in 0..10 {
        let request = TransferRequest::new(accounts[0], accounts[1], czk("1"));
        ledger.transfer(request).await.unwrap();
    }
    flush(&database).await;
    let before = rows_fetched(&bank.superuser().await).await;
    let all: Vec<Request> = accounts
        .windows(2)
        .map(|pair| TransferRequest::new(pair[0], pair[1], czk("0.01")).into())
        .collect();
    ledger.submit_all(&all).await.unwrap();
    flush(&database).await;
    let fetched = rows_fetched(&bank.superuser().await).await - before;
    // Each transfer has two accounts, which are locked, read and updated, and a row of its own.
    assert!(fetched <= 199 * 9, "{fetched} rows for 199 transfers");
    bank.assert_sound().await;
}

/// Returns the updates of accounts so far, and those that stayed on their page.
async fn updates_of_accounts(database: &Database) -> (i64, i64) {
    flush(database).await;
    let sql = "SELECT (n_tup_upd || ' ' || n_tup_hot_upd) FROM pg_stat_user_tables
               WHERE schemaname = 'banking' AND relname = 'accounts'";
    let counted: String = database.fetch_value(statement(sql, [])).await.unwrap();
    let (updates, hot) = counted.split_once(' ').unwrap();
    (updates.parse().unwrap(), hot.parse().unwrap())
}

async fn account_updates_stay_on_their_page(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let mut config = bank.config();
    config.pool_max = 1;
    let database = Database::connect(config).await.unwrap();
    let ledger = single(database.clone());
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut before = updates_of_accounts(&database).await;
    loop {
        for _ in 0..300 {
            let request = TransferRequest::new(from, to, czk("0.01"));
            ledger.transfer(request).await.unwrap();
        }
        let after = updates_of_accounts(&database).await;
        let (updates, hot) = (after.0 - before.0, after.1 - before.1);
        // A transaction of any database in the cluster, such as that of another test that waits
        // for a lock, keeps old versions on the pages; an ANALYZE costs a few moves.
        if updates >= 600 && hot * 100 >= updates * 97 {
            break;
        }
        assert!(Instant::now() < deadline, "{hot} of {updates}");
        before = after;
    }
}

/// Publishes the statistics of the pool's one connection.
async fn flush(database: &Database) {
    database
        .execute(statement("SELECT pg_stat_force_next_flush()", []))
        .await
        .unwrap();
    database.execute(statement("SELECT 1", [])).await.unwrap();
}

/// ANALYZE keeps old versions of accounts from being pruned while it reads its sample.
async fn analyze_of_the_journal_reads_a_small_sample(bank: TestBank) {
    let large = bank
        .count(
            "pg_attribute WHERE attrelid IN ('banking.transfers'::regclass, 'banking.transactions'::regclass)
             AND attnum > 0 AND NOT attisdropped AND attstattarget IS DISTINCT FROM 10",
        )
        .await;
    assert_eq!(
        large, 0,
        "columns whose statistics are finer than the migration wants"
    );
    let unhurried = bank
        .count(
            "pg_class WHERE oid IN ('banking.transfers'::regclass, 'banking.transactions'::regclass)
             AND 'autovacuum_vacuum_cost_limit=2000' = ANY (reloptions)",
        )
        .await;
    assert_eq!(unhurried, 2, "an autovacuum naps while it holds a snapshot");
}
