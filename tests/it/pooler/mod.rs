//! PgBouncer on generated files, in transaction mode, with real transfers.

mod check;
mod console;
mod files;
mod generator;
mod locks;
mod monitoring;
mod names;
mod size;
mod transfers;

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_ops::pgbouncer::{PgbouncerConfig, PgbouncerUser};

use crate::harness::{Pgbouncer, TestBank};

/// Quotes and blanks, which PgBouncer's and PostgreSQL's files must read alike.
const PASSWORD: &str = "it's; \"so\" %d #1";

/// Starts a PgBouncer before a bank, with a teller who has an application's privileges. It has only
/// two server connections, so that clients share them at once.
async fn before(
    bank: &TestBank,
    change: impl FnOnce(&mut PgbouncerConfig),
) -> (Pgbouncer, DatabaseConfig) {
    before_with(bank, change, |text| text).await
}

/// As [`before`], with a changed text of the generated file.
async fn before_with_text(
    bank: &TestBank,
    edit: impl FnOnce(String) -> String,
) -> (Pgbouncer, DatabaseConfig) {
    before_with(bank, |_| (), edit).await
}

async fn before_with(
    bank: &TestBank,
    change: impl FnOnce(&mut PgbouncerConfig),
    edit: impl FnOnce(String) -> String,
) -> (Pgbouncer, DatabaseConfig) {
    let user = user_of(bank, "teller").await;
    let server = DatabaseConfig::from_url(bank.url()).unwrap();
    let change = |config: &mut PgbouncerConfig| {
        config.pool_size = 2;
        config.reserve_pool_size = 0;
        change(config);
    };
    let pgbouncer = Pgbouncer::start_with_text(&server, &server.database, &[user], change, edit);
    let mut config = bank.config().with_password(PASSWORD);
    config.user = format!("teller_{}", server.database);
    config.role = None;
    pgbouncer.stand_before(&mut config);
    (pgbouncer, config)
}

/// Creates a login role for this bank, and returns its SCRAM secret from the server: PgBouncer
/// never sees the password.
async fn user_of(bank: &TestBank, name: &str) -> PgbouncerUser {
    let superuser = bank.superuser().await;
    let database = &superuser.config().database;
    let role = format!("{name}_{database}");
    let make = format!(
        "DO $do$ BEGIN EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L IN ROLE neobank_app', '{role}', $p${PASSWORD}$p$); END $do$"
    );
    superuser.execute(statement(&make, [])).await.unwrap();
    let secret: String = superuser
        .fetch_value(statement(
            "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1",
            [role.clone().into()],
        ))
        .await
        .unwrap();
    assert!(secret.starts_with("SCRAM-SHA-256$"), "{secret}");
    PgbouncerUser::new(role, secret)
}

/// Drops the bank's own roles, because the server may be reused.
async fn drop_user(bank: &TestBank, config: &DatabaseConfig) {
    let superuser = bank.superuser().await;
    let sql = format!("DROP ROLE \"{}\"", config.user);
    superuser.execute(statement(&sql, [])).await.unwrap();
}

async fn connect(config: &DatabaseConfig) -> Database {
    Database::connect(config.clone()).await.unwrap()
}
