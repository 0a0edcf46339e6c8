//! `cargo xtask generate`: the entities, the schema reference and the shipped catalogue, from migrated databases.

mod catalogue;
mod code;
mod constraints;
mod diagram;
mod entities;
mod enums;
mod functions;
mod output;
mod pg_catalog;
mod reference;

use std::process::ExitCode;

use clap::Args;
use neobank_db::{Database, DatabaseConfig};
use neobank_migration::{Rollout, RolloutOptions};
use neobank_postgres::{Durability, LocalServer, ServerOptions};

use output::Files;

/// The schemas that are generated, each a module of the entity crate and a page of the reference.
const SCHEMAS: [&str; 3] = ["banking", "pooling", "concurrency"];

/// The scratch database on the scratch server.
const DATABASE: &str = "neobank_generate";

/// Writes the entities, the schema reference and the shipped catalogue anew from migrated scratch databases.
#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// Write nothing; fail when a file is not as it would be written
    #[arg(long)]
    check: bool,
    /// The major version of the scratch server for entities and reference; what is written is the same for each
    #[arg(long)]
    postgres: Option<u32>,
}

pub(crate) async fn run(arguments: GenerateArguments) -> anyhow::Result<ExitCode> {
    let server = start(arguments.postgres).await?;
    let (url, database) = migrated_database(&server).await?;

    let mut files = Files::default();
    let enums = enums::generate(&database, &mut files).await?;
    constraints::generate(&database, &mut files).await?;
    functions::generate(&database, &mut files).await?;
    entities::generate(&url, &database, &enums, &mut files).await?;
    reference::generate(&database, &mut files).await?;
    catalogue::generate(&mut files).await?;
    if arguments.check {
        files.check()
    } else {
        files.write()
    }
}

/// Starts a scratch server.
async fn start(version: Option<u32>) -> anyhow::Result<LocalServer> {
    let server = tokio::task::spawn_blocking(move || {
        ServerOptions::default()
            .durability(Durability::Fast)
            .version(version)
            .start()
    });
    Ok(server.await??)
}

async fn migrated_database(server: &LocalServer) -> anyhow::Result<(String, Database)> {
    let url = server.create_database(DATABASE)?;
    Rollout::connect(&url, RolloutOptions::default())
        .await?
        .up()
        .await?;
    let database = Database::connect(DatabaseConfig::from_url(&url)?).await?;
    Ok((url, database))
}
