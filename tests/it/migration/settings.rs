//! Rollouts where the connection or the defaults of its role are not what a rollout needs.

use std::time::{Duration, Instant};

use neobank_db::{DatabaseConfig, Executor, Pooler, TlsMode, statement};
use neobank_migration::{Rollout, RolloutError, RolloutOptions};
use neobank_ops::pgbouncer::PgbouncerUser;

use super::bank;
use crate::harness::{EmptyDatabase, Pgbouncer};

on_empty_databases!(
    ordinary_owner_migrates_with_any_role_defaults,
    rollout_through_a_pooler_is_rejected,
    configuration_is_read_as_everywhere,
    failed_connection_is_reported_at_once,
    other_line_ends_give_the_same_checksums,
);

async fn ordinary_owner_migrates_with_any_role_defaults(neighbour: EmptyDatabase) {
    let database = EmptyDatabase::owned_on(neighbour.version).await;
    let owned = bank(&database).await;
    let warnings = owned.warnings().await.unwrap();
    // All tests' databases are in one cluster.
    let own = warnings
        .iter()
        .filter(|one| !one.contains("is used by other databases"));
    assert_eq!(own.count(), 0, "an ordinary role: {warnings:?}");
    let superuser = database.superuser().await;
    for (name, value) in [
        ("statement_timeout", "'1ms'"),
        ("lock_timeout", "'1ms'"),
        ("idle_in_transaction_session_timeout", "'1ms'"),
        ("default_transaction_read_only", "on"),
        ("default_transaction_isolation", "serializable"),
        ("transform_null_equals", "on"),
        ("search_path", "evil, pg_catalog"),
        ("\"DateStyle\"", "'SQL, DMY'"),
        ("standard_conforming_strings", "off"),
    ] {
        let name_of_database = database.name();
        let sql =
            format!("ALTER ROLE neobank_owner IN DATABASE {name_of_database} SET {name} = {value}");
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
    let hostile = bank(&database).await;
    hostile.up().await.unwrap();
    assert!(hostile.status().await.unwrap().is_current());
    // The same schema as without these defaults, except for the owner, whom the dump names.
    let plain = EmptyDatabase::owned_on(neighbour.version).await;
    bank(&plain).await.up().await.unwrap();
    assert!(database.dump() == plain.dump(), "the schema differs");
    let all = hostile.status().await.unwrap().migrations.len();
    hostile.down(all).await.unwrap();
    hostile.up().await.unwrap();
    assert!(database.dump() == plain.dump(), "the schema differs");
    let owners = "SELECT count(*) FROM pg_catalog.pg_proc AS f
         JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
         JOIN pg_catalog.pg_roles AS o ON o.oid = f.proowner
         WHERE n.nspname IN ('banking', 'pooling', 'concurrency', 'migration') AND o.rolsuper";
    let of_superusers: i64 = superuser.fetch_value(statement(owners, [])).await.unwrap();
    assert_eq!(of_superusers, 0);
}

async fn rollout_through_a_pooler_is_rejected(database: EmptyDatabase) {
    let server = DatabaseConfig::from_url(&database.url).unwrap();
    let superuser = database.superuser().await;
    let role = format!("deploy_{}", database.name());
    let make = format!("CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'of deploy'");
    superuser.execute(statement(&make, [])).await.unwrap();
    let secret: String = superuser
        .fetch_value(statement(
            "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1",
            [role.clone().into()],
        ))
        .await
        .unwrap();
    // One that rejects the connection's settings, and one that drops them.
    for ignored in ["extra_float_digits", "extra_float_digits,options"] {
        let user = PgbouncerUser::new(role.clone(), secret.clone());
        let pgbouncer = Pgbouncer::start_with_text(
            &server,
            &server.database,
            &[user],
            |_| (),
            |text| text.replace("extra_float_digits", ignored),
        );
        let mut config = server.clone().with_password("of deploy");
        config.user.clone_from(&role);
        pgbouncer.stand_before(&mut config);
        for pooler in [Pooler::None, Pooler::Transaction] {
            config.pooler = pooler;
            let error = Rollout::connect_with(&config, RolloutOptions::default())
                .await
                .unwrap_err();
            assert!(
                matches!(error, RolloutError::Pooler),
                "{ignored} {pooler:?}: {error:?}"
            );
            assert!(error.to_string().contains("connect to the server directly"));
        }
    }
    let schemas = "SELECT count(*) FROM pg_catalog.pg_namespace
         WHERE nspname IN ('migration', 'banking')";
    let made: i64 = superuser.fetch_value(statement(schemas, [])).await.unwrap();
    assert_eq!(made, 0);
    let locks = "SELECT count(*) FROM pg_catalog.pg_locks AS l
         JOIN pg_catalog.pg_database AS d ON d.oid = l.database
         WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    let held: i64 = superuser.fetch_value(statement(locks, [])).await.unwrap();
    assert_eq!(held, 0);
    let sql = format!("DROP ROLE {role}");
    superuser.execute(statement(&sql, [])).await.unwrap();
}

async fn configuration_is_read_as_everywhere(database: EmptyDatabase) {
    let owned = EmptyDatabase::owned_on(database.version).await;
    // The superuser's URL with the owner's role: created objects belong to the role.
    let name = owned.name();
    let (base, _) = database.url.rsplit_once('/').unwrap();
    let config = DatabaseConfig::from_url(&format!("{base}/{name}"))
        .unwrap()
        .with_role("neobank_owner");
    let rollout = Rollout::connect_with(&config, RolloutOptions::default())
        .await
        .unwrap();
    rollout.up().await.unwrap();
    assert!(bank(&owned).await.status().await.unwrap().is_current());
    // A server without TLS is not reached where TLS is required.
    let mut verified = config.clone();
    verified.tls = TlsMode::VerifyFull {
        root_certificate: None,
    };
    let error = Rollout::connect_with(&verified, RolloutOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, RolloutError::Connect { .. }), "{error:?}");
}

async fn failed_connection_is_reported_at_once(database: EmptyDatabase) {
    let port = DatabaseConfig::from_url(&database.url).unwrap().ports[0];
    let started = Instant::now();
    for (url, reason) in [
        ("postgresql://o:x@127.0.0.1:1/bank".to_owned(), "refused"),
        ("postgresql://o:x@[::1]:1/bank".to_owned(), "refused"),
        (
            format!("postgresql://no_such_role:x@127.0.0.1:{port}/bank"),
            "no_such_role",
        ),
    ] {
        let error = Rollout::connect(&url, RolloutOptions::default())
            .await
            .unwrap_err();
        assert!(
            matches!(&error, RolloutError::Connect { reason: said } if said.contains(reason)),
            "{url}: {error:?}"
        );
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

async fn other_line_ends_give_the_same_checksums(database: EmptyDatabase) {
    use neobank_migration::SqlMigration;
    let with = |up: &'static str| SqlMigration::new(super::FIRST.name, up, super::FIRST.down);
    let unix = with("CREATE SCHEMA shop;\nCREATE TABLE shop.item (id integer PRIMARY KEY)");
    let windows = with("CREATE SCHEMA shop;\r\nCREATE TABLE shop.item (id integer PRIMARY KEY)");
    let first = super::rollout(&database, &super::shop(&[unix], &[])).await;
    first.up().await.unwrap();
    let other = super::rollout(&database, &super::shop(&[windows], &[])).await;
    assert!(other.status().await.unwrap().is_current());
}
