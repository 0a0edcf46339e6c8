//! The catalogue that a rollout leaves, with which `migrate status` and `neobank audit` compare a database.

use anyhow::{Context, anyhow};
use neobank_db::Database;
use neobank_migration::{Catalogue, catalogue_within, schema};

use super::output::Files;
use super::{migrated_database, start};

/// The oldest and the newest supported version: they write some definitions in different ways.
const VERSIONS: [u32; 2] = [15, 18];

pub(super) async fn generate(files: &mut Files) -> anyhow::Result<()> {
    let mut merged: Option<Catalogue> = None;
    for version in VERSIONS {
        let catalogue = of(version)
            .await
            .with_context(|| format!("the catalogue on PostgreSQL {version}"))?;
        merged = Some(match merged {
            None => catalogue,
            Some(others) => others
                .merged(&catalogue)
                .map_err(|difference| anyhow!("PostgreSQL {VERSIONS:?}: {difference}"))?,
        });
    }
    let merged = merged.context("no version is supported")?;
    files.add("migration/sql/catalogue.txt", merged.to_string());
    Ok(())
}

async fn of(version: u32) -> anyhow::Result<Catalogue> {
    let server = start(Some(version)).await?;
    let (_, database): (String, Database) = migrated_database(&server).await?;
    let transaction = database.begin().await?;
    let catalogue = catalogue_within(&transaction, &schema()).await?;
    transaction.rollback().await?;
    Ok(catalogue)
}
