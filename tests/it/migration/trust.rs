//! Databases in which another role created objects first.

use neobank_db::{Executor, statement};
use neobank_migration::{
    MigrationState, Object, Rollout, RolloutError, RolloutOptions, SqlMigration, Verdict,
};

use super::{FIRST, bank, shop};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    records_of_another_role_are_neither_read_nor_executed,
    schemas_and_triggers_of_another_role_are_rejected,
    superuser_does_not_execute_recorded_sql_of_the_owner,
    database_without_utf8_is_rejected,
    rollout_failing_in_functions_grants_no_access_and_can_resume,
    rows_are_destroyed_only_with_the_database_name,
);

async fn as_superuser(database: &EmptyDatabase, statements: &[String]) {
    let superuser = database.superuser().await;
    for sql in statements {
        superuser
            .execute(statement(sql, []))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

fn neighbour(database: &EmptyDatabase) -> String {
    format!("neighbour_{}", database.name())
}

/// The SQL that the other role tries to have executed.
const PAYLOAD: &str = "CREATE TABLE public.planted ()";

async fn was_executed(database: &EmptyDatabase) -> bool {
    let sql = "SELECT to_regclass('public.planted') IS NOT NULL";
    let superuser = database.superuser().await;
    superuser.fetch_value(statement(sql, [])).await.unwrap()
}

async fn records_of_another_role_are_neither_read_nor_executed(database: EmptyDatabase) {
    let role = neighbour(&database);
    let name = database.name();
    as_superuser(
        &database,
        &[
            format!("CREATE ROLE {role}"),
            format!("GRANT CREATE ON DATABASE {name} TO {role}"),
            format!("CREATE SCHEMA migration AUTHORIZATION {role}"),
            "CREATE TABLE migration.seaql_migrations (version text, applied_at bigint)".to_owned(),
            "CREATE TABLE migration.checksums (kind text, name text, sha256 text, drop_sql text,
                 applied_at timestamptz, PRIMARY KEY (kind, name))"
                .to_owned(),
            format!("INSERT INTO migration.checksums VALUES ('object', 'x/y', '', '{PAYLOAD}')"),
            format!("ALTER TABLE migration.checksums OWNER TO {role}"),
            format!("ALTER TABLE migration.seaql_migrations OWNER TO {role}"),
        ],
    )
    .await;
    let rollout = bank(&database).await;
    let outcomes = [
        rollout.status().await.map(drop),
        rollout.plan().await.map(drop),
        rollout.up().await.map(drop),
        rollout.down(1).await.map(drop),
        rollout.fresh().await.map(drop),
    ];
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert!(
            matches!(&error, RolloutError::Untrusted { problems }
                     if problems.iter().any(|problem| problem.contains(&role))),
            "{error:?}"
        );
        assert!(error.to_string().contains("migration"), "{error}");
    }
    assert!(!was_executed(&database).await);
    as_superuser(
        &database,
        &[format!("DROP OWNED BY {role}"), format!("DROP ROLE {role}")],
    )
    .await;
    rollout.up().await.unwrap();
}

async fn schemas_and_triggers_of_another_role_are_rejected(database: EmptyDatabase) {
    let role = neighbour(&database);
    let create = format!("CREATE ROLE {role}");
    as_superuser(&database, &[create]).await;
    let rollout = bank(&database).await;
    let rejected = async |plant: &[&str], named: &str, remove: &[&str]| {
        let filled = |texts: &[&str]| -> Vec<String> {
            texts
                .iter()
                .map(|text| text.replace("ROLE", &role))
                .collect()
        };
        as_superuser(&database, &filled(plant)).await;
        let error = rollout.up().await.unwrap_err();
        assert!(
            matches!(error, RolloutError::Untrusted { .. }),
            "{plant:?}: {error:?}"
        );
        assert!(error.to_string().contains(named), "{plant:?}: {error}");
        as_superuser(&database, &filled(remove)).await;
    };
    rejected(
        &["CREATE SCHEMA banking AUTHORIZATION ROLE"],
        "the schema banking belongs to",
        &["DROP SCHEMA banking"],
    )
    .await;
    rollout.up().await.unwrap();
    rejected(
        &["GRANT CREATE ON SCHEMA banking TO ROLE"],
        "may create objects in the schema banking",
        &["REVOKE CREATE ON SCHEMA banking FROM ROLE"],
    )
    .await;
    rejected(
        &[
            "CREATE FUNCTION banking.planted() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "ALTER FUNCTION banking.planted() OWNER TO ROLE",
        ],
        "the function banking.planted belongs to",
        &["DROP FUNCTION banking.planted()"],
    )
    .await;
    rejected(
        &[
            "CREATE FUNCTION public.planted() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN RETURN new; END'",
            "ALTER FUNCTION public.planted() OWNER TO ROLE",
            "CREATE TRIGGER planted BEFORE INSERT ON migration.checksums
                 FOR EACH ROW EXECUTE FUNCTION public.planted()",
        ],
        "the function of the trigger planted on migration.checksums belongs to",
        &["DROP FUNCTION public.planted() CASCADE"],
    )
    .await;
    rollout.up().await.unwrap();
    as_superuser(&database, &[format!("DROP ROLE {role}")]).await;
}

async fn superuser_does_not_execute_recorded_sql_of_the_owner(neighbour: EmptyDatabase) {
    let database = EmptyDatabase::owned_on(neighbour.version).await;
    bank(&database).await.up().await.unwrap();
    let (base, _) = neighbour.url.rsplit_once('/').unwrap();
    let as_superuser = format!("{base}/{}", database.name());
    let rollout = Rollout::connect(&as_superuser, RolloutOptions::default())
        .await
        .unwrap();
    assert!(rollout.status().await.unwrap().is_current());
    let warnings = rollout.warnings().await.unwrap();
    assert!(warnings.iter().any(|one| one.contains("is a superuser")));
    let error = rollout.up().await.unwrap_err();
    assert!(
        matches!(&error, RolloutError::Untrusted { .. }) && error.to_string().contains("DB_ROLE"),
        "{error:?}"
    );
}

async fn database_without_utf8_is_rejected(beside: EmptyDatabase) {
    let database = EmptyDatabase::in_latin1_on(beside.version).await;
    let rollout = bank(&database).await;
    let error = rollout.up().await.unwrap_err();
    assert!(
        matches!(&error, RolloutError::Encoding { encoding, .. } if encoding == "LATIN1"),
        "{error:?}"
    );
    let state = rollout.status().await.unwrap().migrations[0].state;
    assert_eq!(state, MigrationState::Pending);
}

async fn rollout_failing_in_functions_grants_no_access_and_can_resume(database: EmptyDatabase) {
    let mut schema = neobank_migration::schema();
    schema.objects.push(Object::new(
        "banking/function_broken",
        "m20261123_000002_banking",
        "CREATE FUNCTION banking.broken() RETURNS integer LANGUAGE sql AS 'SELECT x'",
        "DROP FUNCTION IF EXISTS banking.broken()",
    ));
    let options = RolloutOptions::default().with_schema(schema);
    let broken = Rollout::connect(&database.url, options).await.unwrap();
    broken.up().await.unwrap_err();
    assert_eq!(broken.status().await.unwrap().verdict(), Verdict::Pending);
    let access = "SELECT count(*) FROM pg_catalog.pg_class AS c,
             unnest(ARRAY['neobank_app', 'neobank_read', 'neobank_import']) AS role
         WHERE c.relnamespace = 'banking'::regnamespace AND c.relkind IN ('r', 'v')
           AND has_table_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, DELETE')";
    let superuser = database.superuser().await;
    let accessible: i64 = superuser.fetch_value(statement(access, [])).await.unwrap();
    assert_eq!(accessible, 0);
    let whole = bank(&database).await;
    assert!(whole.up().await.unwrap().migrations.is_empty());
    assert!(whole.status().await.unwrap().is_current());
}

async fn rows_are_destroyed_only_with_the_database_name(database: EmptyDatabase) {
    let filled = SqlMigration::new(
        FIRST.name,
        "CREATE SCHEMA shop; CREATE TABLE shop.item (id integer PRIMARY KEY)",
        FIRST.down,
    );
    let mut rollout = super::rollout(&database, &shop(&[filled], &[])).await;
    rollout.up().await.unwrap();
    rollout.down(1).await.unwrap();
    rollout.up().await.unwrap();
    let insert = "INSERT INTO shop.item VALUES (1)".to_owned();
    as_superuser(&database, &[insert]).await;
    assert!(!rollout.confirm("another"));
    for outcome in [rollout.down(1).await, rollout.fresh().await] {
        let error = outcome.unwrap_err();
        assert!(
            matches!(&error, RolloutError::Unconfirmed { database: name, table }
                     if name == database.name() && table == "shop.item"),
            "{error:?}"
        );
    }
    assert!(database.dump().contains("shop.item"));
    assert!(rollout.confirm(database.name()));
    rollout.fresh().await.unwrap();
    let left = "SELECT count(*) FROM shop.item";
    let superuser = database.superuser().await;
    let left: i64 = superuser.fetch_value(statement(left, [])).await.unwrap();
    assert_eq!(left, 0);
}
