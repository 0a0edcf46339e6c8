//! Defaults of the server, the database and the role: those that a session overrides have no
//! effect, and the others are reported or rejected when a pool is opened.

use std::time::Duration;

use neobank_db::driver::Type;
use neobank_db::{Database, DatabaseConfig, DatabaseError, Executor, Harm, Pooler, statement};
use neobank_postgres::{Durability, LocalServer, ServerOptions};

use crate::harness::TestBank;

on_both_versions!(
    overridden_defaults_are_not_reported,
    defaults_that_cut_calls_short_are_reported,
    database_without_triggers_is_rejected,
    pooler_leaves_defaults_in_force_only_before_a_transaction,
);

/// Sets a default of the bank's database.
async fn set_default(bank: &TestBank, setting: &str) {
    let superuser = bank.superuser().await;
    let name = &superuser.config().database;
    let sql = format!("ALTER DATABASE {name} SET {setting}");
    superuser.execute(statement(&sql, [])).await.unwrap();
}

/// Returns the names of the reported settings, without those that every server of these tests has.
fn reported(database: &Database) -> Vec<&str> {
    let fast = ["fsync", "full_page_writes", "synchronous_commit"];
    let names = database.hostile_settings().iter();
    names
        .map(|setting| &*setting.name)
        .filter(|name| !fast.contains(name))
        .collect()
}

async fn overridden_defaults_are_not_reported(bank: TestBank) {
    for setting in [
        "statement_timeout = '1ms'",
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "idle_session_timeout = '1ms'",
        "default_transaction_isolation = 'serializable'",
        "client_min_messages = 'error'",
        "standard_conforming_strings = off",
        "exit_on_error = on",
        "row_security = off",
        "backslash_quote = on",
    ] {
        set_default(&bank, setting).await;
    }
    let mut config = bank.config();
    config.pool_max = 1;
    let database = Database::connect(config).await.unwrap();
    assert_eq!(reported(&database), Vec::<&str>::new());
    // In autocommit mode no transaction sets a level of its own.
    let autocommit = database.autocommit().unwrap();
    let sql = "SELECT current_setting('transaction_isolation'), '\\', pg_sleep(0.2)";
    let rows = autocommit.read(sql, &[] as &[Type], &[]).await.unwrap();
    let (isolation, text): (&str, &str) = (rows[0].get(0), rows[0].get(1));
    assert_eq!((isolation, text), ("read committed", "\\"));
    let process = async || {
        let sql = statement("SELECT pg_backend_pid()", []);
        database.fetch_value::<i32>(sql).await.unwrap()
    };
    let before = process().await;
    assert!(
        database
            .execute(statement("SELECT 1 / 0", []))
            .await
            .is_err()
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    let transaction = database.begin().await.unwrap();
    transaction
        .execute(statement("SELECT 1", []))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    transaction
        .execute(statement("SELECT 1", []))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(process().await, before, "the server ended the session");
}

async fn defaults_that_cut_calls_short_are_reported(bank: TestBank) {
    let mut expected = vec!["default_transaction_read_only"];
    if bank.version >= 17 {
        set_default(&bank, "transaction_timeout = '1s'").await;
        expected.push("transaction_timeout");
    }
    set_default(&bank, "default_transaction_read_only = on").await;
    let database = Database::connect(bank.config()).await.unwrap();
    assert_eq!(reported(&database), expected);
    let setting = database.hostile_settings().last().unwrap();
    assert_eq!(
        (setting.harm, &*setting.source),
        (Harm::Availability, "database")
    );
}

async fn database_without_triggers_is_rejected(bank: TestBank) {
    for setting in [
        "session_replication_role = replica",
        "zero_damaged_pages = on",
        "ignore_checksum_failure = on",
    ] {
        set_default(&bank, setting).await;
        let (name, _) = setting.split_once(' ').unwrap();
        let error = Database::connect(bank.config()).await.unwrap_err();
        assert!(
            matches!(&error, DatabaseError::HostileSetting(found) if found.name == name),
            "{error:?}"
        );
        assert!(error.to_string().contains(setting), "{error}");
        // A program that inspects a broken database disables the check.
        let mut config = bank.config();
        config.reject_hostile_settings = false;
        let database = Database::connect(config).await.unwrap();
        assert_eq!(reported(&database), [name]);
        let superuser = Database::connect({
            let mut config = DatabaseConfig::from_url(bank.url()).unwrap();
            config.reject_hostile_settings = false;
            config
        });
        let superuser = superuser.await.unwrap();
        let sql = format!("ALTER DATABASE {} RESET {name}", bank.config().database);
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
    Database::connect(bank.config()).await.unwrap();
}

async fn pooler_leaves_defaults_in_force_only_before_a_transaction(bank: TestBank) {
    set_default(&bank, "statement_timeout = '900ms'").await;
    set_default(&bank, "client_min_messages = 'error'").await;
    let mut config = bank.config();
    config.pooler = Pooler::Transaction;
    let database = Database::connect(config).await.unwrap();
    assert_eq!(reported(&database), ["statement_timeout"]);
    let sql = "SELECT current_setting('client_min_messages') FROM pg_sleep(1.2)";
    let level: String = database.fetch_value(statement(sql, [])).await.unwrap();
    assert_eq!(level, "notice");
}

/// Settings of the whole server are written to its configuration.
async fn server_without_durability_is_reported(version: u32) {
    let start = move |durability, setting: Option<&str>| {
        let mut options = ServerOptions::default()
            .version(Some(version))
            .durability(durability);
        if let Some((name, value)) = setting.and_then(|setting| setting.split_once('=')) {
            options = options.setting(name, value);
        }
        options.start().unwrap()
    };
    let servers = tokio::task::spawn_blocking(move || -> [LocalServer; 2] {
        [
            start(Durability::Durable, None),
            start(Durability::Fast, Some("zero_damaged_pages=on")),
        ]
    });
    let [sound, fast] = servers.await.unwrap();
    let config = DatabaseConfig::from_url(sound.url()).unwrap();
    let database = Database::connect(config).await.unwrap();
    assert_eq!(database.hostile_settings(), []);
    let mut config = DatabaseConfig::from_url(fast.url()).unwrap();
    let error = Database::connect(config.clone()).await.unwrap_err();
    assert!(error.to_string().contains("zero_damaged_pages"), "{error}");
    config.reject_hostile_settings = false;
    let database = Database::connect(config).await.unwrap();
    let found: Vec<_> = database
        .hostile_settings()
        .iter()
        .map(|setting| (&*setting.name, setting.harm))
        .collect();
    assert_eq!(
        found,
        [
            ("zero_damaged_pages", Harm::Truth),
            ("fsync", Harm::Durability),
            ("full_page_writes", Harm::Durability),
            ("synchronous_commit", Harm::Durability),
        ]
    );
}

#[tokio::test]
async fn server_without_durability_is_reported_on_postgres_15() {
    server_without_durability_is_reported(15).await;
}

#[tokio::test]
async fn server_without_durability_is_reported_on_postgres_18() {
    server_without_durability_is_reported(18).await;
}
