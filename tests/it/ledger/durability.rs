//! Durability: an acknowledged transfer is on this server and on the standby that the server waits
//! for, whatever the defaults are.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use neobank_db::{
    Database, DatabaseConfig, DatabaseError, Executor, RetryPolicy, Transaction,
    TransactionCommand, TransactionError, statement,
};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::customers::{self, NewCustomer};
use neobank_domain::{
    AccountId, AccountType, Ledger, LedgerError, Money, PostingRequest, Receipt, TransferRequest,
};
use neobank_postgres::LocalServer;

use crate::harness::{czk, grouped, migrate, own_server, single, single_with_cache};

/// A bank on a server of its own, because the standbys of a commit are a setting of the server.
struct Bank {
    _server: LocalServer,
    superuser: Database,
    database: Database,
    from: AccountId,
    to: AccountId,
}

impl Bank {
    async fn on(version: u32) -> Self {
        let server = own_server(version, &[("synchronous_commit", "off")]).await;
        migrate(server.url()).await;
        let config = DatabaseConfig::from_url(server.url()).unwrap();
        let superuser = Database::connect(config.clone()).await.unwrap();
        let database = Database::connect(config.with_role("neobank_app"))
            .await
            .unwrap();
        let from = account(&database, czk("100")).await;
        let to = account(&database, czk("1")).await;
        let bank = Self {
            _server: server,
            superuser,
            database,
            from,
            to,
        };
        bank.wait_for("gone").await;
        bank
    }

    /// Makes commits wait for a standby of this name.
    async fn wait_for(&self, standby: &str) {
        for sql in [
            format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'"),
            "SELECT pg_reload_conf()".to_owned(),
        ] {
            self.superuser.execute(statement(&sql, [])).await.unwrap();
        }
        let sql = "SELECT current_setting('synchronous_standby_names')";
        for _ in 0..6_000 {
            let fresh = Database::connect(self.superuser.config().clone())
                .await
                .unwrap();
            let now: String = fresh.fetch_value(statement(sql, [])).await.unwrap();
            if now == standby {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server did not read its configuration");
    }

    /// Kills one server process of an application.
    async fn kill_one(&self, application: &str) {
        let sql = "SELECT max(pid) FROM pg_stat_activity WHERE application_name = $1";
        // The connections of the pool ended with the server.
        let superuser = self.come_back().await;
        let process: i32 = superuser
            .fetch_value(statement(sql, [application.into()]))
            .await
            .unwrap();
        let killed = Command::new("kill")
            .args(["-KILL", &process.to_string()])
            .status();
        assert!(killed.unwrap().success());
    }

    /// Waits until the server accepts connections and keeps them.
    async fn come_back(&self) -> Database {
        let sql = "SELECT count(*) FROM banking.transfers";
        for _ in 0..6_000 {
            if let Ok(database) = Database::connect(self.superuser.config().clone()).await
                && database
                    .fetch_value::<i64>(statement(sql, []))
                    .await
                    .is_ok()
            {
                return database;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server does not come back");
    }

    fn request(&self, key: &str) -> TransferRequest {
        TransferRequest::new(self.from, self.to, czk("1")).with_idempotency_key(key)
    }

    /// Ends the wait of one commit for the standby.
    async fn end_a_wait(&self, how: &str) {
        let sql = format!(
            "WITH waiting AS MATERIALIZED (
                 SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'
             )
             SELECT coalesce(max(pid) FILTER (WHERE {how}(pid)), 0) FROM waiting"
        );
        for _ in 0..6_000 {
            let ended: i32 = self
                .superuser
                .fetch_value(statement(&sql, []))
                .await
                .unwrap();
            if ended > 0 && how == "pg_cancel_backend" {
                return;
            }
            if ended > 0 {
                return self.until_ended(ended).await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no commit waits for the standby");
    }

    /// Waits for the end of a session, which is listed for a moment longer.
    async fn until_ended(&self, process: i32) {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
        for _ in 0..6_000 {
            let there = statement(sql, [process.into()]);
            if self.superuser.fetch_value::<i64>(there).await.unwrap() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the session does not end");
    }

    /// Asserts that the request waits for the standby and returns that it was not confirmed.
    async fn assert_not_replicated(
        &self,
        what: &str,
        answer: impl Future<Output = Result<Receipt, LedgerError>>,
    ) {
        let (answer, ()) = tokio::join!(answer, self.end_a_wait("pg_cancel_backend"));
        assert!(
            matches!(answer, Err(LedgerError::NotReplicated { .. })),
            "{what}: {answer:?}"
        );
    }
}

async fn account(database: &Database, balance: Money) -> AccountId {
    let customer = customers::create(database, &NewCustomer::individual("Ada", "Lovelace"))
        .await
        .unwrap();
    let new = NewAccount::new(
        customer.customer_id,
        AccountType::Checking,
        balance.currency(),
    );
    let account = accounts::open(database, &new).await.unwrap().account_id;
    let deposit = PostingRequest::deposit(account, balance);
    single(database.clone()).submit(deposit).await.unwrap();
    account
}

async fn transfer_and_replay_wait_for_the_standby(version: u32) {
    let bank = Bank::on(version).await;
    for (way, capacity) in [
        ("optimistic", Ledger::ACCOUNT_CACHE_CAPACITY),
        ("locked", 0),
    ] {
        let ledger = single_with_cache(bank.database.clone(), capacity);
        let grouped = grouped(&ledger);
        let request = bank.request(way);
        for what in ["first", "replay", "again"] {
            let what = format!("{way}, {what}");
            bank.assert_not_replicated(&what, ledger.transfer(request.clone()))
                .await;
            bank.assert_not_replicated(&what, grouped.transfer(request.clone()))
                .await;
        }
    }
    for _ in 0..2 {
        let mut transaction = bank.database.begin().await.unwrap();
        single(bank.database.clone())
            .transfer_in(&mut transaction, bank.request("inside"))
            .await
            .unwrap();
        let (outcome, ()) =
            tokio::join!(transaction.commit(), bank.end_a_wait("pg_cancel_backend"));
        assert!(
            matches!(outcome, Err(DatabaseError::CommittedNotReplicated)),
            "{outcome:?}"
        );
    }
    // A rejection posts nothing and waits for nothing.
    let ledger = single(bank.database.clone());
    let rejected = ledger
        .transfer(TransferRequest::new(bank.from, bank.to, czk("1000")))
        .await;
    assert!(
        matches!(rejected, Err(LedgerError::Rejected(_))),
        "{rejected:?}"
    );
    bank.wait_for("").await;
    let there = "SELECT count(*) FROM banking.transfers WHERE transfer_type = 'transfer'";
    let there: i64 = bank
        .database
        .fetch_value(statement(there, []))
        .await
        .unwrap();
    assert_eq!(there, 3);
    for key in ["optimistic", "locked", "inside"] {
        ledger.transfer(bank.request(key)).await.unwrap();
    }
}

/// The end of its session cancels the wait: the transfer exists, and no standby has it.
async fn in_doubt_resolution_waits_for_the_standby(version: u32) {
    let bank = Bank::on(version).await;
    for (way, capacity) in [
        ("optimistic", Ledger::ACCOUNT_CACHE_CAPACITY),
        ("locked", 0),
    ] {
        let ledger = single_with_cache(bank.database.clone(), capacity);
        let (answer, ()) = tokio::join!(ledger.transfer(bank.request(way)), async {
            bank.end_a_wait("pg_terminate_backend").await;
            bank.end_a_wait("pg_cancel_backend").await;
        });
        assert!(
            matches!(answer, Err(LedgerError::NotReplicated { .. })),
            "{way}: {answer:?}"
        );
    }
    // With a standby in time, the call returns the receipt.
    let ledger = single(bank.database.clone());
    let (answer, ()) = tokio::join!(ledger.transfer(bank.request("back")), async {
        bank.end_a_wait("pg_terminate_backend").await;
        bank.wait_for("").await;
    });
    answer.unwrap();
}

/// A transaction with a commit record.
async fn resolved_transaction_waits_for_the_standby(version: u32) {
    struct Message;

    impl TransactionCommand for Message {
        type Output = &'static str;
        type Error = DatabaseError;

        fn name(&self) -> &'static str {
            "message"
        }

        async fn run(
            &mut self,
            transaction: &mut Transaction,
            _: u32,
        ) -> Result<&'static str, DatabaseError> {
            for sql in [
                "SET LOCAL synchronous_commit = on",
                "SELECT pg_logical_emit_message(true, 'test', 'a message')",
            ] {
                transaction.execute(statement(sql, [])).await?;
            }
            Ok("written")
        }
    }

    let bank = Bank::on(version).await;
    let role = "ALTER ROLE ALL SET synchronous_commit = on";
    bank.superuser.execute(statement(role, [])).await.unwrap();
    let database = Database::connect(bank.database.config().clone())
        .await
        .unwrap();
    let policy = RetryPolicy::default().with_commit_records();
    let mut message = Message;
    let (outcome, ()) = tokio::join!(database.retry(&policy, &mut message), async {
        bank.end_a_wait("pg_terminate_backend").await;
        bank.end_a_wait("pg_cancel_backend").await;
    });
    let error = outcome.unwrap_err();
    assert!(
        matches!(
            error.error,
            TransactionError::NotReplicated { value: "written" }
        ),
        "{error:?}"
    );
    // With a standby in time, the outcome is confirmed.
    let (outcome, ()) = tokio::join!(database.retry(&policy, &mut message), async {
        bank.end_a_wait("pg_terminate_backend").await;
        bank.wait_for("").await;
    });
    assert_eq!(outcome.unwrap(), "written");
}

/// `remote_apply` is stronger than the setting of the posting functions.
async fn stronger_commit_setting_stays(version: u32) {
    let bank = Bank::on(version).await;
    bank.wait_for("").await;
    for (before, after) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let mut transaction = bank.database.begin().await.unwrap();
        let set = format!("SET LOCAL synchronous_commit = {before}");
        transaction.execute(statement(&set, [])).await.unwrap();
        let request = TransferRequest::new(bank.from, bank.to, czk("1"));
        let ledger = single(bank.database.clone());
        ledger.transfer_in(&mut transaction, request).await.unwrap();
        let sql = "SELECT current_setting('synchronous_commit')";
        let now: String = transaction.fetch_value(statement(sql, [])).await.unwrap();
        assert_eq!(now, after);
        transaction.commit().await.unwrap();
    }
}

/// A server process is killed: the server restarts, and loses everything that was not flushed.
async fn acknowledged_transfer_survives_a_crash(version: u32) {
    let bank = Bank::on(version).await;
    bank.wait_for("").await;
    for sql in [
        // Only a commit that waits flushes the log in time.
        "ALTER SYSTEM SET wal_writer_delay = '10s'",
        "SELECT pg_reload_conf()",
        "DO $$ BEGIN EXECUTE format('ALTER ROLE %I SET synchronous_commit = off', current_user); END $$",
    ] {
        bank.superuser.execute(statement(sql, [])).await.unwrap();
    }
    for round in 0..3 {
        let mut config = bank.database.config().clone();
        config.application_name = "is killed".to_owned();
        let database = Database::connect(config).await.unwrap();
        let off: String = database
            .fetch_value(statement(
                "SELECT current_setting('synchronous_commit')",
                [],
            ))
            .await
            .unwrap();
        assert_eq!(off, "off");
        let ledger = single(database.clone());
        let grouped = grouped(&ledger);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..12)
            .map(|caller| {
                let (ledger, grouped) = (ledger.clone(), grouped.clone());
                let (acknowledged, over) = (Arc::clone(&acknowledged), Arc::clone(&over));
                // Each transfer is paid back, so the balance is always enough.
                let there = TransferRequest::new(bank.from, bank.to, czk("0.01"));
                let back = TransferRequest::new(bank.to, bank.from, czk("0.01"));
                tokio::spawn(async move {
                    let mut receipts = Vec::new();
                    for request in [there, back].into_iter().cycle() {
                        if over.load(Ordering::SeqCst) {
                            break;
                        }
                        let deadline = Instant::now() + Duration::from_secs(1);
                        let answer = if caller % 2 == 0 {
                            ledger.transfer(request).await
                        } else {
                            grouped.with_deadline(deadline).transfer(request).await
                        };
                        match answer {
                            Ok(receipt) => receipts.push(receipt.transfer_id.as_uuid()),
                            Err(_) => break,
                        }
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                    receipts
                })
            })
            .collect();
        while acknowledged.load(Ordering::SeqCst) < 300 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bank.kill_one("is killed").await;
        over.store(true, Ordering::SeqCst);
        let mut receipts = Vec::new();
        for caller in callers {
            receipts.extend(caller.await.unwrap());
        }
        let superuser = bank.come_back().await;
        let sql = "SELECT count(*) FROM banking.transfers WHERE transfer_id = ANY ($1)";
        let acknowledged = receipts.len();
        let there: i64 = superuser
            .fetch_value(statement(sql, [receipts.into()]))
            .await
            .unwrap();
        assert_eq!(there, acknowledged as i64, "round {round}");
    }
}

on_servers_of_their_own!(
    transfer_and_replay_wait_for_the_standby,
    in_doubt_resolution_waits_for_the_standby,
    resolved_transaction_waits_for_the_standby,
    stronger_commit_setting_stays,
    acknowledged_transfer_survives_a_crash
);
