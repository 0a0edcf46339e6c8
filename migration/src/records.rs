//! What the database remembers of earlier roll-outs: the schema `migration`.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use crate::schema::{Object, SqlMigration};
use crate::session::{execute, value};

/// The tables, in a schema of their own: migrations make the others. Everybody may read how far a database is.
const INSTALL: &str = "\
CREATE SCHEMA IF NOT EXISTS migration;
COMMENT ON SCHEMA migration IS 'What was rolled out on this database.';
CREATE TABLE IF NOT EXISTS migration.seaql_migrations (
    version text PRIMARY KEY,
    applied_at bigint NOT NULL
);
COMMENT ON TABLE migration.seaql_migrations IS 'Applied migrations, as sea-orm-migration keeps them; times in seconds since 1970.';
CREATE TABLE IF NOT EXISTS migration.checksums (
    kind text NOT NULL CHECK (kind IN ('migration', 'object')),
    name text NOT NULL,
    sha256 text NOT NULL,
    drop_sql text,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, name)
);
COMMENT ON TABLE migration.checksums IS 'What each migration and object was like when it was applied.';
GRANT USAGE ON SCHEMA migration TO PUBLIC;
GRANT SELECT ON migration.seaql_migrations, migration.checksums TO PUBLIC;";

/// What was applied, in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) migrations: Vec<Record>,
    pub(crate) objects: Vec<Record>,
}

/// One thing that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: String,
    /// `None` for a migration that was applied by something else than this roll-out.
    pub(crate) sha256: Option<String>,
    pub(crate) drop_sql: Option<String>,
}

/// Makes the tables unless they are there. To be run under the roll-out's lock: `IF NOT EXISTS` alone is no protection
/// against another session that does the same.
pub(crate) async fn install(on: &impl ConnectionTrait) -> Result<(), DbErr> {
    if are_installed(on).await? {
        return Ok(());
    }
    on.execute_unprepared(INSTALL).await.map(drop)
}

/// Reads what was applied; nothing, when nothing was ever rolled out.
pub(crate) async fn read(on: &impl ConnectionTrait) -> Result<Records, DbErr> {
    if !are_installed(on).await? {
        return Ok(Records::default());
    }
    let migrations = "SELECT m.version, c.sha256, c.drop_sql
         FROM migration.seaql_migrations AS m
         LEFT JOIN migration.checksums AS c ON c.kind = 'migration' AND c.name = m.version
         ORDER BY m.version";
    let objects = "SELECT c.name, c.sha256, c.drop_sql FROM migration.checksums AS c
         WHERE c.kind = 'object' ORDER BY c.name";
    Ok(Records {
        migrations: records(on, migrations).await?,
        objects: records(on, objects).await?,
    })
}

pub(crate) async fn add_migration(
    on: &impl ConnectionTrait,
    migration: &SqlMigration,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO migration.seaql_migrations (version, applied_at)
         VALUES ($1, extract(epoch FROM clock_timestamp())::bigint)";
    execute(on, sql, [migration.name.into()]).await?;
    put(on, "migration", migration.name, &migration.checksum(), None).await
}

pub(crate) async fn remove_migration(on: &impl ConnectionTrait, name: &str) -> Result<(), DbErr> {
    execute(
        on,
        "DELETE FROM migration.seaql_migrations WHERE version = $1",
        [name.into()],
    )
    .await?;
    remove(on, "migration", name).await
}

pub(crate) async fn put_object(on: &impl ConnectionTrait, object: &Object) -> Result<(), DbErr> {
    put(
        on,
        "object",
        object.name,
        &object.checksum(),
        Some(object.drop),
    )
    .await
}

pub(crate) async fn remove_object(on: &impl ConnectionTrait, name: &str) -> Result<(), DbErr> {
    remove(on, "object", name).await
}

async fn put(
    on: &impl ConnectionTrait,
    kind: &str,
    name: &str,
    sha256: &str,
    drop_sql: Option<&str>,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO migration.checksums (kind, name, sha256, drop_sql) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, name) DO UPDATE
         SET sha256 = excluded.sha256, drop_sql = excluded.drop_sql, applied_at = clock_timestamp()";
    let drop_sql = drop_sql.map(str::to_owned);
    execute(
        on,
        sql,
        [kind.into(), name.into(), sha256.into(), drop_sql.into()],
    )
    .await
}

async fn remove(on: &impl ConnectionTrait, kind: &str, name: &str) -> Result<(), DbErr> {
    execute(
        on,
        "DELETE FROM migration.checksums WHERE kind = $1 AND name = $2",
        [kind.into(), name.into()],
    )
    .await
}

async fn are_installed(on: &impl ConnectionTrait) -> Result<bool, DbErr> {
    // Asks the catalog rather than the table: without it, that would be an error, also for whoever may only look.
    let sql = "SELECT EXISTS (
        SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'migration' AND c.relname = 'checksums'
    )";
    Ok(value::<bool>(on, sql, []).await? == Some(true))
}

async fn records(on: &impl ConnectionTrait, sql: &str) -> Result<Vec<Record>, DbErr> {
    let rows = on
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    rows.iter().map(record).collect()
}

fn record(row: &QueryResult) -> Result<Record, DbErr> {
    Ok(Record {
        name: row.try_get_by_index(0)?,
        sha256: row.try_get_by_index(1)?,
        drop_sql: row.try_get_by_index(2)?,
    })
}
