//! The command `cargo xtask generate`: the shared SQL of the schema's functions and views, and from
//! migrated databases the entities, the schema reference and the shipped catalogue. The description
//! of the HTTP API comes from the service's code.

mod catalogue;
mod code;
mod constraints;
mod currencies;
mod diagram;
mod entities;
mod enums;
mod functions;
mod object_bodies;
mod output;
mod pg_catalog;
mod reference;
mod relations;

use std::process::{Command, ExitCode};

use clap::Args;
use neobank_db::{Database, DatabaseConfig};
use neobank_migration::{Rollout, RolloutOptions};
use neobank_postgres::{Durability, LocalServer, ServerOptions};

use crate::files::project_root;
use output::Files;

/// The schemas that are generated, each a module of the entity crate and a page of the reference.
const SCHEMAS: [&str; 3] = ["banking", "pooling", "concurrency"];

/// The scratch database on the scratch server.
const DATABASE: &str = "neobank_generate";

/// Writes the entities, the schema reference and the shipped catalogue from migrated scratch
/// databases, and the description of the HTTP API.
#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// Write nothing; fail when a file differs from its generated content
    #[arg(long)]
    check: bool,
    /// The major version of the scratch server for entities and reference; the result is the same
    /// for each
    #[arg(long)]
    postgres: Option<u32>,
}

pub(crate) async fn run(arguments: GenerateArguments) -> anyhow::Result<ExitCode> {
    let mut files = Files::default();
    object_bodies::generate(&mut files)?;
    if !arguments.check && files.write_stale()? > 0 {
        // The schema is compiled into this program, so the next build generates the rest.
        return again(&arguments);
    }
    let server = start(arguments.postgres).await?;
    let (url, database) = migrated_database(&server).await?;
    let enums = enums::generate(&database, &mut files).await?;
    constraints::generate(&database, &mut files).await?;
    functions::generate(&database, &mut files).await?;
    currencies::generate(&database, &mut files).await?;
    relations::generate(&database, &enums, &mut files).await?;
    entities::generate(&url, &database, &enums, &mut files).await?;
    reference::generate(&database, &mut files).await?;
    catalogue::generate(&mut files).await?;
    files.add("docs/openapi.json", neobank_server::openapi());
    if arguments.check {
        files.check()
    } else {
        files.write()
    }
}

/// Builds and runs the generator again.
fn again(arguments: &GenerateArguments) -> anyhow::Result<ExitCode> {
    println!("functions and views have changed: generating from the new schema");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--package", "xtask", "--", "generate"])
        .current_dir(project_root());
    if let Some(version) = arguments.postgres {
        command.args(["--postgres", &version.to_string()]);
    }
    let status = command.status()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
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
