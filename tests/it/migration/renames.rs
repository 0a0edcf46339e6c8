//! The migration that renames what had another word than the code: a bank's rows stay, and the old
//! names go.

use neobank_db::{Database, Executor, statement};
use neobank_migration::{Object, Schema};

use super::{bank, rollout};
use crate::harness::EmptyDatabase;

on_empty_databases!(renamed_table_keeps_its_rows_and_no_old_name_is_left);

/// The migration that renames.
const RENAMES: &str = "m20261129_000008_renames";

/// The migration that creates the table of commit records.
const TABLE: &str = "m20261123_000006_transaction_outcomes";

/// The names, each before and after. The first that stands in a text counts.
const NAMES: [(&str, &str); 5] = [
    ("grants_outcomes", "grants_commit_records"),
    ("delete_outcomes", "delete_commit_records"),
    ("transaction_outcomes", "commit_records"),
    ("refuse_journal_change", "reject_journal_change"),
    ("refuse_account_change", "reject_account_change"),
];

async fn renamed_table_keeps_its_rows_and_no_old_name_is_left(database: EmptyDatabase) {
    let older = rollout(&database, &before_the_renames()).await;
    older.up().await.unwrap();
    let older_dump = database.dump();
    assert!(NAMES[1..].iter().all(|(old, _)| older_dump.contains(old)));
    let superuser = database.superuser().await;
    let insert =
        "INSERT INTO concurrency.transaction_outcomes (attempt_id, transaction_name, committed)
         SELECT gen_random_uuid(), 'transfer', n % 2 = 0 FROM generate_series(1, 100) AS n";
    superuser.execute(statement(insert, [])).await.unwrap();
    let before = rows(&superuser, "transaction_outcomes").await;

    let mut current = bank(&database).await;
    current.up().await.unwrap();
    assert_eq!(rows(&superuser, "commit_records").await, before);
    // Nothing has an old name any more, and nothing differs from a new database.
    let dump = database.dump();
    assert!(NAMES.iter().all(|(old, _)| !dump.contains(old)));
    let new = EmptyDatabase::on(database.version).await;
    bank(&new).await.up().await.unwrap();
    assert_eq!(dump, new.dump());
    let status = current.status().await.unwrap();
    assert!(status.is_current(), "{status:?}");
    assert_eq!(status.violations().count(), 0, "{status:?}");

    // Down and up again, and down to the version before.
    let migrations = neobank_migration::schema().migrations;
    let steps = migrations.iter().filter(|one| one.name >= RENAMES).count();
    assert!(current.confirm(database.name()));
    current.down(steps).await.unwrap();
    assert_eq!(rows(&superuser, "transaction_outcomes").await, before);
    current.up().await.unwrap();
    assert_eq!(rows(&superuser, "commit_records").await, before);
    assert_eq!(database.dump(), dump);
    current.down(steps).await.unwrap();
    older.up().await.unwrap();
    assert_eq!(database.dump(), older_dump);
    assert_eq!(rows(&superuser, "transaction_outcomes").await, before);
}

/// Returns the schema as it was rolled out before the migration.
fn before_the_renames() -> Schema {
    let mut schema = neobank_migration::schema().with_catalogue(None);
    schema.migrations.retain(|one| one.name < RENAMES);
    schema.objects.retain(|one| one.since <= RENAMES);
    schema.objects = schema.objects.iter().map(with_old_names).collect();
    schema
}

fn with_old_names(object: &Object) -> Object {
    let old = |text: &str| -> &'static str {
        let text = NAMES
            .iter()
            .fold(text.to_owned(), |text, (old, new)| text.replace(new, old));
        String::leak(text)
    };
    let since = if object.since == RENAMES {
        TABLE
    } else {
        object.since
    };
    Object::new(
        old(object.name),
        since,
        old(object.create),
        old(object.drop),
    )
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
