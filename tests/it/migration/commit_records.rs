//! The migration that renames the table of commit records.

use neobank_db::{Database, Executor, statement};
use neobank_migration::{Object, Schema};

use super::{bank, rollout};
use crate::harness::EmptyDatabase;

on_empty_databases!(renamed_table_keeps_its_rows_and_the_old_function_is_dropped);

/// The migration that renames the table.
const RENAME: &str = "m20261129_000008_commit_records";

const OLD_FUNCTION: Object = Object::new(
    "concurrency/function_delete_outcomes",
    "m20261123_000006_transaction_outcomes",
    "CREATE OR REPLACE FUNCTION concurrency.delete_outcomes(p_keep_seconds double precision, p_limit integer)
     RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
     AS 'DELETE FROM concurrency.transaction_outcomes WHERE false; SELECT 0::bigint';
     REVOKE ALL ON FUNCTION concurrency.delete_outcomes(double precision, integer) FROM PUBLIC",
    "DROP FUNCTION IF EXISTS concurrency.delete_outcomes(double precision, integer)",
);

const OLD_GRANTS: Object = Object::new(
    "concurrency/grants_outcomes",
    "m20261123_000006_transaction_outcomes",
    "REVOKE INSERT, UPDATE, DELETE ON concurrency.transaction_outcomes FROM neobank_app, neobank_read;
     GRANT SELECT ON concurrency.transaction_outcomes TO neobank_app, neobank_read;
     GRANT INSERT (attempt_id, transaction_name, committed) ON concurrency.transaction_outcomes TO neobank_app;
     GRANT EXECUTE ON FUNCTION concurrency.delete_outcomes(double precision, integer) TO neobank_app",
    "REVOKE ALL ON concurrency.transaction_outcomes FROM neobank_app, neobank_read",
);

async fn renamed_table_keeps_its_rows_and_the_old_function_is_dropped(database: EmptyDatabase) {
    rollout(&database, &before_the_rename())
        .await
        .up()
        .await
        .unwrap();
    let superuser = database.superuser().await;
    let insert = "INSERT INTO concurrency.transaction_outcomes (attempt_id, transaction_name, committed)
                  SELECT gen_random_uuid(), 'transfer', n % 2 = 0 FROM generate_series(1, 100) AS n";
    superuser.execute(statement(insert, [])).await.unwrap();
    let before = rows(&superuser, "transaction_outcomes").await;

    let mut current = bank(&database).await;
    let report = current.up().await.unwrap();
    assert!(report.dropped.contains(&OLD_FUNCTION.name.to_owned()));
    assert_eq!(rows(&superuser, "commit_records").await, before);
    // Nothing has the old name any more, and nothing differs from a new database.
    assert!(!database.dump().contains("outcomes"));
    let new = EmptyDatabase::on(database.version).await;
    bank(&new).await.up().await.unwrap();
    assert_eq!(database.dump(), new.dump());
    let status = current.status().await.unwrap();
    assert!(status.is_current(), "{status:?}");
    assert_eq!(status.violations().count(), 0, "{status:?}");

    let names = neobank_migration::schema().migrations;
    let steps = names.iter().filter(|one| one.name >= RENAME).count();
    assert!(current.confirm(database.name()));
    current.down(steps).await.unwrap();
    assert_eq!(rows(&superuser, "transaction_outcomes").await, before);
    assert!(!database.dump().contains("commit_records"));
    current.up().await.unwrap();
    assert_eq!(rows(&superuser, "commit_records").await, before);
    assert_eq!(database.dump(), new.dump());
}

/// Returns the schema as it was rolled out before the migration.
fn before_the_rename() -> Schema {
    let mut schema = neobank_migration::schema().with_catalogue(None);
    schema
        .migrations
        .retain(|migration| migration.name < RENAME);
    schema.objects.retain(|object| object.since < RENAME);
    schema.objects.extend([OLD_FUNCTION, OLD_GRANTS]);
    schema
}

/// Returns the number of rows and a hash of them.
async fn rows(superuser: &Database, table: &str) -> (i64, String) {
    let sql = format!("SELECT count(*) FROM concurrency.{table}");
    let count = superuser.fetch_value(statement(&sql, [])).await.unwrap();
    let sql = format!(
        "SELECT md5(string_agg(row::text, ';' ORDER BY row.attempt_id)) FROM concurrency.{table} AS row"
    );
    let hash = superuser.fetch_value(statement(&sql, [])).await.unwrap();
    (count, hash)
}
