//! `pgbouncer.ini`: the SQL function writes the same as the Rust builder.

use neobank_db::{DatabaseError, Executor, statement};
use neobank_ops::pgbouncer::{
    AuthQuery, ClientTls, PgbouncerConfig, PgbouncerVersion, PoolDatabase, PoolMode,
};

use crate::harness::TestBank;

on_both_versions!(
    sql_and_rust_write_the_same_configuration,
    sql_and_rust_reject_the_same_inputs,
    default_input_is_this_database,
);

async fn ask(bank: &TestBank, config: &PgbouncerConfig) -> Result<String, DatabaseError> {
    let json = serde_json::to_value(config).unwrap();
    bank.database
        .fetch_value(statement(
            "SELECT pooling.generate_pgbouncer_config($1)",
            [json.into()],
        ))
        .await
}

fn simple(version: PgbouncerVersion) -> PgbouncerConfig {
    let mut config = PgbouncerConfig::new(version, PoolDatabase::new("bank", "127.0.0.1", 5432));
    config.budget.max_connections = 400;
    config
}

/// Switches a field on for every second bit of `choice`.
fn chosen(version: PgbouncerVersion, choice: u32) -> PgbouncerConfig {
    let mut config = simple(version);
    let is = |bit: u32| choice & (1 << bit) != 0;
    if is(0) {
        let mut copy = PoolDatabase::new("Copy_2.x-y", "/run/a 'b'", 5433);
        " ž;it's %d \"x\" #1\\ ".clone_into(&mut copy.database);
        copy.pool_size = Some(7);
        config.databases.push(copy);
    }
    if is(1) {
        let is_elsewhere = is(3) && version > PgbouncerVersion::OLDEST;
        config.auth_query = Some(
            AuthQuery::new("looks up")
                .with_query(is(2).then(|| "SELECT a, b FROM x.look($1)".to_owned()))
                .with_database(is_elsewhere.then(|| "bank".to_owned())),
        );
    }
    if is(4) {
        config.auth_hba_file = Some("/etc/hba; conf".to_owned());
        config.max_db_connections = Some(30);
    }
    if is(5) {
        config.pool_mode = PoolMode::Session;
        config.max_prepared_statements = 0;
    }
    if is(6) {
        config.client_tls = Some(ClientTls::new("/c", "/k"));
        config.server_tls_ca_file = Some("/ca".to_owned());
    }
    if is(7) {
        config.admin_users = vec!["a".to_owned(), "ž'b;".to_owned()];
        config.unix_socket_dir = Some("/run".to_owned());
        config.listen_addr = None;
    }
    if is(9) {
        config.databases[0].host = "db.example".to_owned();
        config.plain_text = config.server_tls_ca_file.is_none();
        config.version = "1.26".parse().unwrap();
    }
    if is(8) {
        config.further.insert("verbose".to_owned(), "1".to_owned());
        config
            .further
            .insert("stats_period".to_owned(), "30".to_owned());
        config.pidfile = Some("/pid".to_owned());
        config.logfile = Some("/log".to_owned());
    }
    config
}

async fn sql_and_rust_write_the_same_configuration(bank: TestBank) {
    for version in PgbouncerVersion::all() {
        for choice in (0..1024).step_by(37).chain([1023]) {
            let config = chosen(version, choice);
            let text = config
                .ini()
                .unwrap_or_else(|error| panic!("{choice}: {error}"));
            assert_eq!(
                ask(&bank, &config).await.unwrap(),
                text,
                "{version} {choice}"
            );
        }
    }
}

async fn sql_and_rust_reject_the_same_inputs(bank: TestBank) {
    let newest = PgbouncerVersion::NEWEST;
    type Change = fn(&mut PgbouncerConfig);
    let changes: [Change; 26] = [
        |config| config.databases[0].host = "db.example".to_owned(),
        |config| config.listen_addr = Some("127.0.0.1, *".to_owned()),
        |config| config.databases.clear(),
        |config| config.databases[0].name = "pgbouncer".to_owned(),
        |config| config.databases[0].name = "a b".to_owned(),
        |config| config.databases[0].name = "*".to_owned(),
        |config| config.databases.push(config.databases[0].clone()),
        |config| config.databases[0].database = "a\nb".to_owned(),
        |config| config.databases[0].database = "ž".repeat(32),
        |config| config.databases[0].host = String::new(),
        |config| config.databases[0].port = 0,
        |config| config.databases[0].pool_size = Some(0),
        |config| config.users = 0,
        |config| config.pool_size = 0,
        |config| config.listen_port = 0,
        |config| config.max_client_conn = 0,
        |config| config.users = 1000,
        |config| config.budget.instances = 17,
        |config| config.file_descriptors = 1000,
        |config| config.listen_addr = None,
        |config| config.admin_users = vec!["a,b".to_owned()],
        |config| config.auth_file = " /a".to_owned(),
        |config| config.pidfile = Some("/a\n[databases]".to_owned()),
        |config| {
            config
                .further
                .insert("pool_mode".to_owned(), "statement".to_owned());
        },
        |config| {
            config
                .further
                .insert("no_such_key".to_owned(), "1".to_owned());
        },
        |config| {
            config.version = PgbouncerVersion::OLDEST;
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut config = simple(newest);
        change(&mut config);
        let rejection = config.ini().unwrap_err().to_string();
        match ask(&bank, &config).await {
            Err(DatabaseError::Server(server)) => {
                assert_eq!(server.sqlstate, "22023", "{number}: {server}");
                // Both begin with the name of the field, or with the figures.
                let first = |text: &str| text.split(' ').next().map(str::to_owned);
                assert_eq!(
                    first(&server.message),
                    first(&rejection),
                    "{number}: {server} and {rejection}"
                );
            }
            other => panic!("{number}: {other:?} where Rust says {rejection}"),
        }
    }
}

async fn default_input_is_this_database(bank: TestBank) {
    let text: String = bank
        .database
        .fetch_value(statement("SELECT pooling.generate_pgbouncer_config()", []))
        .await
        .unwrap();
    let database: String = bank
        .database
        .fetch_value(statement("SELECT current_database()::text", []))
        .await
        .unwrap();
    assert!(text.contains(&format!("dbname='{database}'")), "{text}");
    let rejected = bank
        .database
        .fetch_value::<String>(statement(
            "SELECT pooling.generate_pgbouncer_config('{\"pool_sice\": 3}')",
            [],
        ))
        .await;
    assert!(rejected.unwrap_err().to_string().contains("pool_sice"));
}
