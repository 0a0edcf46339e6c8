//! The catalogue of a migrated database, with which `migrate status` and `neobank audit` compare a
//! database.

use anyhow::{Context, anyhow};
use neobank_db::Database;
use neobank_migration::{Catalogue, catalogue_within, schema};

use super::output::Files;
use super::pg_catalog::Relations;
use super::{migrated_database, start};

/// The oldest and the newest supported version: they write some definitions in different ways.
const VERSIONS: [u32; 2] = [15, 18];

/// Reads a server of each version: the catalogue of the migrated database, and the columns of
/// `pg_catalog`.
pub(super) async fn generate(files: &mut Files) -> anyhow::Result<()> {
    let mut merged: Option<Catalogue> = None;
    let mut relations = Relations::default();
    for version in VERSIONS {
        let server = start(Some(version)).await?;
        let (_, database): (String, Database) = migrated_database(&server).await?;
        relations.read(version, &database).await?;
        let catalogue = of(&database)
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
    relations.generate(files)
}

async fn of(database: &Database) -> anyhow::Result<Catalogue> {
    let transaction = database.begin().await?;
    let catalogue = catalogue_within(&transaction, &schema()).await?;
    transaction.rollback().await?;
    Ok(catalogue)
}
