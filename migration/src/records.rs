//! The records of applied migrations and objects: the schema `migration`.

use std::collections::BTreeSet;

use neobank_db::driver::Row;
use neobank_db::{DatabaseError, Executor, statement};

use crate::schema::{Object, SqlMigration};
use crate::session::column;

/// Creates the tables in a schema of their own; migrations create the others. Every role may read
/// the applied migrations. It must run under the rollout's lock: `IF NOT EXISTS` alone does not
/// protect against another session that does the same.
pub(crate) const INSTALL: &str = "\
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

/// The records, each list in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// `true` if the tables of the records exist.
    pub(crate) installed: bool,
    pub(crate) migrations: Vec<Record>,
    pub(crate) objects: Vec<Record>,
    /// The functions, triggers and views in the server's catalog, named as objects are.
    pub(crate) catalog: BTreeSet<String>,
}

/// One applied migration or object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: String,
    /// `None` for a migration that another program applied.
    pub(crate) sha256: Option<String>,
    pub(crate) drop_sql: Option<String>,
}

/// Reads the records; none when no rollout ever ran.
pub(crate) async fn read(on: &impl Executor) -> Result<Records, DatabaseError> {
    if !is_there(on, "checksums").await? {
        return read_of_others(on).await;
    }
    Ok(Records {
        installed: true,
        migrations: records(on, MIGRATIONS).await?,
        objects: records(on, OBJECTS).await?,
        catalog: names(on, CATALOG).await?,
    })
}

/// Reads the table of sea-orm-migration, when that program came first.
async fn read_of_others(on: &impl Executor) -> Result<Records, DatabaseError> {
    if !is_there(on, "seaql_migrations").await? {
        return Ok(Records::default());
    }
    Ok(Records {
        migrations: records(on, MIGRATIONS_OF_OTHERS).await?,
        ..Records::default()
    })
}

const MIGRATIONS_OF_OTHERS: &str =
    "SELECT version::text, NULL::text, NULL::text FROM migration.seaql_migrations
    ORDER BY version COLLATE \"C\"";

const MIGRATIONS: &str = "SELECT m.version::text, c.sha256, c.drop_sql
    FROM migration.seaql_migrations AS m
    LEFT JOIN migration.checksums AS c ON c.kind = 'migration' AND c.name = m.version
    ORDER BY m.version COLLATE \"C\"";

const OBJECTS: &str = "SELECT c.name, c.sha256, c.drop_sql FROM migration.checksums AS c
    WHERE c.kind = 'object' ORDER BY c.name COLLATE \"C\"";

const CATALOG: &str = "SELECT n.nspname || '/' || o.name AS name FROM (
        SELECT pronamespace AS schema, 'function_' || proname AS name FROM pg_catalog.pg_proc
        UNION SELECT c.relnamespace, 'trigger_' || t.tgname
            FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
        UNION SELECT relnamespace, 'view_' || relname FROM pg_catalog.pg_class WHERE relkind IN ('v', 'm')
    ) AS o JOIN pg_catalog.pg_namespace AS n ON n.oid = o.schema
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')";

/// Records a migration.
pub(crate) fn add_migration(migration: &SqlMigration) -> String {
    format!(
        "INSERT INTO migration.seaql_migrations (version, applied_at)
    VALUES ({}, extract(epoch FROM clock_timestamp())::bigint);
{}",
        literal(migration.name),
        put("migration", migration.name, &migration.checksum(), "NULL"),
    )
}

/// Removes the record of a migration.
pub(crate) fn remove_migration(name: &str) -> String {
    format!(
        "DELETE FROM migration.seaql_migrations WHERE version = {};
{}",
        literal(name),
        remove("migration", name)
    )
}

/// Records an object, with the SQL that drops it when the code no longer contains it.
pub(crate) fn put_object(object: &Object) -> String {
    put(
        "object",
        object.name,
        &object.checksum(),
        &literal(object.drop),
    )
}

/// Removes the record of an object.
pub(crate) fn remove_object(name: &str) -> String {
    remove("object", name)
}

/// Marks the record of an object as outdated: the object is applied again.
pub(crate) fn distrust_object(name: &str) -> String {
    format!(
        "UPDATE migration.checksums SET sha256 = '' WHERE kind = 'object' AND name = {};",
        literal(name)
    )
}

fn put(kind: &str, name: &str, sha256: &str, drop_sql: &str) -> String {
    format!(
        "INSERT INTO migration.checksums (kind, name, sha256, drop_sql)
    VALUES ({}, {}, {}, {drop_sql})
    ON CONFLICT (kind, name) DO UPDATE
    SET sha256 = excluded.sha256, drop_sql = excluded.drop_sql, applied_at = clock_timestamp();",
        literal(kind),
        literal(name),
        literal(sha256),
    )
}

fn remove(kind: &str, name: &str) -> String {
    format!(
        "DELETE FROM migration.checksums WHERE kind = {} AND name = {};",
        literal(kind),
        literal(name)
    )
}

/// Returns a text as an SQL literal. Every step sets `standard_conforming_strings`, so that a
/// backslash is not special.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn is_there(on: &impl Executor, table: &str) -> Result<bool, DatabaseError> {
    // The query reads the catalog, because a missing table would be an error, and for a role
    // without privileges too.
    let sql = "SELECT EXISTS (
        SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'migration' AND c.relname = $1
    )";
    let rows = on.query(statement(sql, [table.into()])).await?;
    column(rows.first().ok_or(DatabaseError::NoRow)?, 0)
}

async fn records(on: &impl Executor, sql: &str) -> Result<Vec<Record>, DatabaseError> {
    let rows = on.query(statement(sql, [])).await?;
    rows.iter().map(record).collect()
}

fn record(row: &Row) -> Result<Record, DatabaseError> {
    Ok(Record {
        name: column(row, 0)?,
        sha256: column(row, 1)?,
        drop_sql: column(row, 2)?,
    })
}

async fn names(on: &impl Executor, sql: &str) -> Result<BTreeSet<String>, DatabaseError> {
    let rows = on.query(statement(sql, [])).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}
