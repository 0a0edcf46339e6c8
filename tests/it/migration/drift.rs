//! Objects that are missing, or that a new version left behind.

use neobank_db::{Executor, statement};
use neobank_migration::{Object, ObjectState, SqlMigration};

use super::{FIRST, rollout, shop};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    trigger_dropped_with_its_table_is_recreated,
    privileges_return_with_a_recreated_table,
    privileges_apply_to_a_new_table,
    privileges_apply_to_a_new_table_after_a_failure,
    privileges_on_a_renamed_table_need_no_revoking,
    function_with_new_parameters_replaces_the_old_one,
    removed_objects_do_not_block_the_way_down,
    removed_objects_are_dropped_before_their_dependencies,
);

const GUARD: Object = Object::new(
    "shop/function_guard",
    "m1_first",
    "CREATE OR REPLACE FUNCTION shop.guard() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN RAISE EXCEPTION ''guarded''; END'",
    "DROP FUNCTION IF EXISTS shop.guard()",
);

const TRIGGER: Object = Object::new(
    "shop/trigger_item_guard",
    "m1_first",
    "CREATE OR REPLACE TRIGGER item_guard BEFORE DELETE ON shop.item
             FOR EACH ROW EXECUTE FUNCTION shop.guard()",
    "DROP TRIGGER IF EXISTS item_guard ON shop.item",
);

const GRANTS: Object = Object::new(
    "shop/grants",
    "m1_first",
    "GRANT SELECT ON ALL TABLES IN SCHEMA shop TO PUBLIC",
    "REVOKE ALL ON ALL TABLES IN SCHEMA shop FROM PUBLIC",
);

const ORDERS: SqlMigration = SqlMigration::new(
    "m2_orders",
    "CREATE TABLE shop.orders (id integer PRIMARY KEY)",
    "DROP TABLE shop.orders",
);

async fn trigger_dropped_with_its_table_is_recreated(database: EmptyDatabase) {
    let rollout = rollout(&database, &shop(&[FIRST], &[GUARD, TRIGGER, GRANTS])).await;
    rollout.up().await.unwrap();
    let whole = database.dump();
    let sql = "DROP TABLE shop.item; CREATE TABLE shop.item (id integer PRIMARY KEY)";
    run(&database, sql).await;

    let status = rollout.status().await.unwrap();
    assert!(!status.is_current());
    let states: Vec<_> = status.objects.iter().map(|object| object.state).collect();
    // The grants follow every recreated object.
    assert_eq!(
        states,
        [
            ObjectState::Current,
            ObjectState::Lost,
            ObjectState::Changed
        ]
    );
    let report = rollout.up().await.unwrap();
    assert_eq!(report.objects, ["shop/trigger_item_guard", "shop/grants"]);
    assert_eq!(database.dump(), whole);
    assert!(rollout.status().await.unwrap().is_current());
}

async fn privileges_return_with_a_recreated_table(database: EmptyDatabase) {
    let rollout = rollout(&database, &shop(&[FIRST, ORDERS], &[GUARD, GRANTS])).await;
    rollout.up().await.unwrap();
    let whole = database.dump();
    assert!(whole.contains("GRANT SELECT ON TABLE shop.orders TO PUBLIC"));
    rollout.down(1).await.unwrap();
    let report = rollout.up().await.unwrap();
    assert_eq!(
        report.objects,
        ["shop/grants"],
        "and nothing that did not change"
    );
    assert_eq!(database.dump(), whole);
}

async fn privileges_apply_to_a_new_table(database: EmptyDatabase) {
    rollout(&database, &shop(&[FIRST], &[GRANTS]))
        .await
        .up()
        .await
        .unwrap();
    let newer = rollout(&database, &shop(&[FIRST, ORDERS], &[GRANTS])).await;
    newer.up().await.unwrap();
    assert!(
        database
            .dump()
            .contains("GRANT SELECT ON TABLE shop.orders TO PUBLIC")
    );
    assert!(newer.status().await.unwrap().is_current());
}

/// The migration stays, the objects do not; only the record shows the next rollout that privileges
/// are missing.
async fn privileges_apply_to_a_new_table_after_a_failure(database: EmptyDatabase) {
    rollout(&database, &shop(&[FIRST], &[GRANTS]))
        .await
        .up()
        .await
        .unwrap();
    let failing = Object::new(GUARD.name, GUARD.since, "SELECT 1 / 0", GUARD.drop);
    let newer = rollout(&database, &shop(&[FIRST, ORDERS], &[failing, GRANTS])).await;
    newer.up().await.unwrap_err();
    let mended = rollout(&database, &shop(&[FIRST, ORDERS], &[GRANTS])).await;
    assert_eq!(mended.up().await.unwrap().objects, ["shop/grants"]);
    assert!(
        database
            .dump()
            .contains("GRANT SELECT ON TABLE shop.orders TO PUBLIC")
    );
}

async fn privileges_on_a_renamed_table_need_no_revoking(database: EmptyDatabase) {
    let on_orders = Object::new(
        "shop/grants_orders",
        "m2_orders",
        "GRANT SELECT ON shop.orders TO PUBLIC",
        "REVOKE ALL ON shop.orders FROM PUBLIC",
    );
    let renamed = SqlMigration::new(
        "m3_purchases",
        "ALTER TABLE shop.orders RENAME TO purchases",
        "ALTER TABLE shop.purchases RENAME TO orders",
    );
    let on_purchases = Object::new(
        on_orders.name,
        renamed.name,
        "GRANT SELECT ON shop.purchases TO PUBLIC",
        "REVOKE ALL ON shop.purchases FROM PUBLIC",
    );
    let older = shop(&[FIRST, ORDERS], &[on_orders]);
    rollout(&database, &older).await.up().await.unwrap();
    let newer = shop(&[FIRST, ORDERS, renamed], &[on_purchases]);
    let newer = rollout(&database, &newer).await;
    newer.up().await.unwrap();
    assert!(newer.status().await.unwrap().is_current());
    let granted = "GRANT SELECT ON TABLE shop.purchases TO PUBLIC";
    assert!(database.dump().contains(granted));
    // What exists is still revoked.
    newer.down(1).await.unwrap();
    assert!(!database.dump().contains("GRANT SELECT ON TABLE shop."));
}

async fn function_with_new_parameters_replaces_the_old_one(database: EmptyDatabase) {
    let one = Object::new(
        "shop/function_price",
        "m1_first",
        "CREATE OR REPLACE FUNCTION shop.price(a integer) RETURNS integer LANGUAGE sql AS 'SELECT a'",
        "DROP FUNCTION IF EXISTS shop.price(integer)",
    );
    let two = Object::new(
        one.name,
        one.since,
        "CREATE OR REPLACE FUNCTION shop.price(a bigint) RETURNS bigint LANGUAGE sql AS 'SELECT a'",
        "DROP FUNCTION IF EXISTS shop.price(bigint)",
    );
    rollout(&database, &shop(&[FIRST], &[one]))
        .await
        .up()
        .await
        .unwrap();
    rollout(&database, &shop(&[FIRST], &[two]))
        .await
        .up()
        .await
        .unwrap();
    let sql =
        "SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc WHERE proname = 'price'";
    assert_eq!(text(&database, sql).await, "shop.price(bigint)");
}

async fn removed_objects_do_not_block_the_way_down(database: EmptyDatabase) {
    let view = Object::new(
        "shop/view_open_orders",
        "m2_orders",
        "CREATE OR REPLACE VIEW shop.open_orders AS SELECT id FROM shop.orders",
        "DROP VIEW IF EXISTS shop.open_orders",
    );
    rollout(&database, &shop(&[FIRST, ORDERS], &[view]))
        .await
        .up()
        .await
        .unwrap();
    let newer = rollout(&database, &shop(&[FIRST, ORDERS], &[])).await;
    let report = newer.down(1).await.unwrap();
    assert_eq!(report.dropped, ["shop/view_open_orders"]);
    assert!(newer.status().await.unwrap().objects.is_empty());
}

async fn removed_objects_are_dropped_before_their_dependencies(database: EmptyDatabase) {
    rollout(&database, &shop(&[FIRST], &[GUARD, TRIGGER]))
        .await
        .up()
        .await
        .unwrap();
    // The trigger needs the function, and comes after it in the alphabet.
    let report = rollout(&database, &shop(&[FIRST], &[]))
        .await
        .up()
        .await
        .unwrap();
    assert_eq!(
        report.dropped,
        ["shop/trigger_item_guard", "shop/function_guard"]
    );
}

async fn run(database: &EmptyDatabase, script: &str) {
    let superuser = database.superuser().await;
    for sql in script.split("; ") {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
}

async fn text(database: &EmptyDatabase, sql: &str) -> String {
    let superuser = database.superuser().await;
    superuser.fetch_value(statement(sql, [])).await.unwrap()
}
