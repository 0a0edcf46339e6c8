//! The detection of poolers, with a real PgBouncer.

use std::time::Duration;

use neobank_db::{Database, DatabaseError, Executor, Pooler, statement};
use neobank_ops::pgbouncer::PoolMode;
use neobank_ops::pooler::{Between, NamedStatements, inspect};

use super::{before, drop_user};
use crate::harness::TestBank;

on_both_versions!(
    direct_connection_has_no_pooler,
    transaction_mode_is_detected,
    undeclared_pooler_is_rejected_at_connect,
    session_pooler_that_drops_settings_is_reported,
    session_mode_is_detected,
    statement_mode_is_detected,
);

async fn direct_connection_has_no_pooler(bank: TestBank) {
    let found = inspect(&bank.config()).await.unwrap();
    assert_eq!(found, Between::Nothing);
}

async fn transaction_mode_is_detected(bank: TestBank) {
    for size in [1, 2, 10] {
        let (pgbouncer, config) = before(&bank, |config| config.pool_size = size).await;
        let found = inspect(&config).await.unwrap();
        // Debian's 1.18 passes names through; from 1.21 on PgBouncer renames statements.
        let statements = match crate::harness::Pgbouncer::version().starts_with("PgBouncer 1.18") {
            true => NamedStatements::Mixed,
            false => NamedStatements::Followed,
        };
        assert_eq!(found, Between::TransactionPooler { statements }, "{size}");
        assert!(found.objection(Pooler::None).is_some());
        assert_eq!(found.objection(Pooler::Transaction), None);
        // Nothing stays on the server's side: neither a statement nor a transaction.
        let database = super::connect(&config).await;
        let left: i64 = database
            .fetch_value(statement(
                "SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE statement LIKE '%neobank_pooler_probe%' \
                 AND statement NOT LIKE '%pg_prepared_statements%'",
                [],
            ))
            .await
            .unwrap();
        if statements == NamedStatements::Mixed {
            assert_eq!(left, 0);
        }
        database.close();
        drop(pgbouncer);
        drop_user(&bank, &config).await;
    }
}

/// The generated file accepts the crates' startup options, and ignores them.
async fn undeclared_pooler_is_rejected_at_connect(bank: TestBank) {
    for size in [1, 2] {
        let (pgbouncer, mut config) = before(&bank, |config| config.pool_size = size).await;
        config.pooler = Pooler::None;
        let error = Database::connect(config.clone()).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Pooler { .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the database is not used: a pooler in transaction mode stands before the server, and \
             the configuration does not say so: set DB_POOLER=transaction"
        );
        config.pooler = Pooler::Transaction;
        Database::connect(config.clone()).await.unwrap();
        drop(pgbouncer);
        drop_user(&bank, &config).await;
    }
    // A PgBouncer that does not accept session settings rejects them itself, and the error includes
    // the remedy.
    let (pgbouncer, mut config) = super::before_with_text(&bank, |text| {
        text.replace("extra_float_digits, options", "")
    })
    .await;
    config.pooler = Pooler::None;
    let error = Database::connect(config.clone()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("set DB_POOLER=transaction"),
        "{error}"
    );
    drop(pgbouncer);
    drop_user(&bank, &config).await;
}

/// One client of a small pool in session mode excludes the others; that alone is no reason for a
/// rejection.
async fn session_pooler_that_drops_settings_is_reported(bank: TestBank) {
    for size in [1, 4] {
        let (pgbouncer, mut config) = before(&bank, |config| {
            config.pool_mode = PoolMode::Session;
            config.max_prepared_statements = 0;
            config.pool_size = size;
        })
        .await;
        config.pooler = Pooler::None;
        config.pool_max = 1;
        config.connect_timeout = Duration::from_secs(2);
        let database = Database::connect(config.clone()).await.unwrap();
        let names = database.hostile_settings().iter();
        let names: Vec<_> = names.map(|setting| &*setting.name).collect();
        assert!(names.contains(&"statement_timeout"), "{names:?}");
        database.close();
        drop(pgbouncer);
        drop_user(&bank, &config).await;
    }
}

async fn session_mode_is_detected(bank: TestBank) {
    let (pgbouncer, config) = before(&bank, |config| {
        config.pool_mode = PoolMode::Session;
        config.max_prepared_statements = 0;
    })
    .await;
    assert_eq!(inspect(&config).await.unwrap(), Between::SessionPooler);
    drop(pgbouncer);
    drop_user(&bank, &config).await;
}

async fn statement_mode_is_detected(bank: TestBank) {
    let (pgbouncer, config) = super::before_with_text(&bank, |text| {
        text.replace("pool_mode = transaction", "pool_mode = statement")
    })
    .await;
    let found = inspect(&config).await.unwrap();
    assert_eq!(found, Between::StatementPooler);
    assert!(found.objection(Pooler::Transaction).is_some());
    drop(pgbouncer);
    drop_user(&bank, &config).await;
}
