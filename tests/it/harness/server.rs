//! The two servers, each with a template of the migrated database.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use neobank_postgres::{Durability, LocalServer, ServerOptions};
use tokio_postgres::NoTls;

const TEMPLATE: &str = "neobank_template";

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Returns the server of a major version; the first caller starts it and creates its template.
pub(crate) fn server(version: u32) -> &'static LocalServer {
    static POSTGRES_15: OnceLock<LocalServer> = OnceLock::new();
    static POSTGRES_18: OnceLock<LocalServer> = OnceLock::new();
    let server = match version {
        15 => &POSTGRES_15,
        18 => &POSTGRES_18,
        _ => panic!("there is no server of version {version} in these tests"),
    };
    server.get_or_init(|| {
        let server = ServerOptions::default()
            .version(Some(version))
            .durability(Durability::Fast)
            // Deadlock tests need an early detection.
            .setting("deadlock_timeout", "50ms")
            .setting("max_connections", "600")
            .setting("max_prepared_transactions", "50")
            .setting("shared_preload_libraries", "pg_stat_statements")
            // Replication slots hold back the xmin horizon.
            .setting("wal_level", "logical")
            .start()
            .unwrap_or_else(|error| {
                panic!("PostgreSQL {version} is needed for these tests: {error}")
            });
        assert_eq!(
            server.version(),
            version,
            "the server is not of the version that was asked for"
        );
        // An ordinary role owns the schema, as on a managed server.
        let url = server.create_database(TEMPLATE).unwrap();
        on_a_thread(crate::harness::bank::migrate(&url));
        server
    })
}

/// Starts a server of a test's own, with settings that apply to a whole server or faults that end one.
pub(crate) async fn own_server(
    version: u32,
    settings: &'static [(&'static str, &'static str)],
) -> LocalServer {
    let start = move || {
        let options = ServerOptions::default()
            .version(Some(version))
            .durability(Durability::Fast);
        let set = |options: ServerOptions, (name, value): &(_, _)| options.setting(*name, *value);
        settings.iter().fold(options, set).start().unwrap()
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// Creates a database with the migrated schema; its URL is the superuser's.
pub(crate) async fn new_database(version: u32) -> (String, String) {
    let server = tokio::task::spawn_blocking(move || server(version))
        .await
        .unwrap();
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    administer(
        server,
        &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"),
    )
    .await;
    (server.database_url(&name), name)
}

/// Creates an empty database; its URL is the superuser's.
pub(crate) async fn empty_database(version: u32) -> (String, String) {
    database_of_template0(version, "").await
}

/// As [`empty_database`], in LATIN1.
pub(crate) async fn latin1_database(version: u32) -> (String, String) {
    database_of_template0(version, "ENCODING 'LATIN1' LOCALE 'C'").await
}

async fn database_of_template0(version: u32, options: &str) -> (String, String) {
    let server = tokio::task::spawn_blocking(move || server(version))
        .await
        .unwrap();
    let name = next_name();
    administer(
        server,
        &format!("CREATE DATABASE {name} TEMPLATE template0 {options}"),
    )
    .await;
    (server.database_url(&name), name)
}

/// Creates an empty database with an ordinary owner, whose URL it is.
pub(crate) async fn owned_database(version: u32) -> (String, String) {
    tokio::task::spawn_blocking(move || {
        let name = next_name();
        (server(version).create_database(&name).unwrap(), name)
    })
    .await
    .unwrap()
}

fn next_name() -> String {
    format!("empty_{}", DATABASES.fetch_add(1, Ordering::Relaxed))
}

/// Drops a test's database, with all its connections.
pub(crate) fn drop_database(version: u32, name: &str) {
    // A failed test may leave a prepared transaction, which nothing ends; the test's own failure is
    // the one to show.
    if std::thread::panicking() {
        return;
    }
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    on_a_thread(administer(server(version), &sql));
}

async fn administer(server: &LocalServer, sql: &str) {
    let (client, connection) = tokio_postgres::connect(server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// Runs a future to its end from a thread without a runtime, or one that must not block its own.
fn on_a_thread(work: impl Future<Output = ()> + Send) {
    std::thread::scope(|scope| {
        scope
            .spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(work))
            .join()
            .unwrap();
    });
}
