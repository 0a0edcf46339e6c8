//! The demo's server, and its database.

use anyhow::Context;
use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_migration::{Rollout, RolloutOptions};
use neobank_postgres::{Durability, LocalServer, ServerOptions, Source};

use super::heading;

const DATABASE: &str = "neobank_demo";

pub(super) async fn start(
    url: Option<String>,
    version: Option<u32>,
) -> anyhow::Result<LocalServer> {
    heading("A server");
    let started = std::time::Instant::now();
    let server = tokio::task::spawn_blocking(move || {
        let options = ServerOptions::default()
            .durability(Durability::Durable)
            .version(version);
        match url {
            Some(url) => options.source(Source::Url(url)),
            None => options,
        }
        .start()
    })
    .await??;
    println!(
        "  PostgreSQL {} from {}, ready after {:.1} s; commits are durable (fsync on)",
        server.version(),
        server.origin(),
        started.elapsed().as_secs_f64()
    );
    Ok(server)
}

/// Creates the database and the schema.
pub(super) async fn migrate(server: &LocalServer) -> anyhow::Result<()> {
    heading("The schema");
    let administrator = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
    administrator
        .execute(statement(
            &format!("DROP DATABASE IF EXISTS {DATABASE}"),
            [],
        ))
        .await?;
    // As on a managed server, its owner is an ordinary role.
    let owner = server.create_database(DATABASE)?;
    let report = Rollout::connect(&owner, RolloutOptions::default())
        .await?
        .up()
        .await?;
    println!(
        "  {} migrations, {} functions, triggers and grants",
        report.migrations.len(),
        report.objects.len()
    );

    Ok(())
}

/// Connects as a member of a role: `neobank_app`, which posts and cannot change a balance, or
/// `neobank_import`, which may also import history.
pub(super) async fn connect(server: &LocalServer, role: &str) -> anyhow::Result<Database> {
    let url = server.database_url(DATABASE);
    let mut config = DatabaseConfig::from_url(&url)?.with_role(role);
    config.application_name = "neobank demo".to_owned();
    config.pool_max = 16;
    config.acquire_timeout = std::time::Duration::from_secs(30);
    config.statement_timeout = std::time::Duration::from_secs(120);
    Ok(Database::connect(config).await?)
}

pub(super) fn end(server: LocalServer, keep: bool) -> anyhow::Result<()> {
    if keep {
        let url = server.database_url(DATABASE);
        let kept = server.keep().context("the server cannot be kept")?;
        println!(
            "The server stays: psql '{url}'\nStop it: {}",
            kept.stop_command
                .unwrap_or_else(|| "by its owner".to_owned())
        );
    }
    Ok(())
}
