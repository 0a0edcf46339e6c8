//! P3 to P5: PgBouncer on generated files, in transaction mode, with real transfers.

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

/// Quotes and blanks, where PgBouncer's files and PostgreSQL's own must agree.
const PASSWORD: &str = "it's; \"so\" %d #1";

/// A PgBouncer before a bank, with a teller who may do what an application may. Two server connections are few, so that
/// clients share them at once.
async fn before(
    bank: &TestBank,
    change: impl FnOnce(&mut PgbouncerConfig),
) -> (Pgbouncer, DatabaseConfig) {
    before_with(bank, change, |text| text).await
}

/// As [`before`], with another text than the one that was generated.
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

/// A login role of this bank's own, and its SCRAM secret as the server has it: PgBouncer never sees the password.
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

/// Drops the bank's own roles, so that a server that is kept has none of them.
async fn drop_user(bank: &TestBank, config: &DatabaseConfig) {
    let superuser = bank.superuser().await;
    let sql = format!("DROP ROLE \"{}\"", config.user);
    superuser.execute(statement(&sql, [])).await.unwrap();
}

async fn connect(config: &DatabaseConfig) -> Database {
    Database::connect(config.clone()).await.unwrap()
}
