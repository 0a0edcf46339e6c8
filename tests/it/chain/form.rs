//! The form that is hashed: every column, whatever the session's settings.

use neobank_db::{Executor, FromRow, statement};

use super::history::mixed_history;
use super::{findings, number, run, seal_all};
use crate::harness::TestBank;

on_both_versions!(every_column_is_in_the_hash, settings_do_not_change_the_hash);

/// The columns of a hold that change with its events, which are sealed themselves.
const CHANGING: [&str; 3] = ["remaining", "hold_status", "ended_at"];

#[derive(FromRow)]
struct ColumnRow {
    table_name: String,
    name: String,
    type_name: String,
    is_generated: bool,
}

/// Fails for a new column of the journal until `banking.hash_records()` knows it.
async fn every_column_is_in_the_hash(bank: TestBank) {
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    assert_eq!(findings(&bank.database).await, []);
    let superuser = bank.superuser().await;
    let sql = "SELECT class.relname::text AS table_name, attribute.attname::text AS name,
            coalesce(base.typname, type.typname)::text AS type_name, attribute.attgenerated <> '' AS is_generated
        FROM pg_attribute AS attribute
        JOIN pg_class AS class ON class.oid = attribute.attrelid
        JOIN pg_type AS type ON type.oid = attribute.atttypid
        LEFT JOIN pg_type AS base ON base.oid = type.typbasetype AND type.typtype = 'd'
        WHERE class.oid IN ('banking.transfers'::regclass, 'banking.transactions'::regclass,
                            'banking.hold_events'::regclass, 'banking.holds'::regclass)
          AND attribute.attnum > 0 AND NOT attribute.attisdropped
        ORDER BY class.relname, attribute.attnum";
    let columns: Vec<ColumnRow> = superuser.fetch_many(statement(sql, [])).await.unwrap();
    assert!(columns.len() > 55, "{}", columns.len());
    for column in columns {
        let ColumnRow {
            table_name,
            name,
            type_name,
            is_generated,
        } = column;
        if table_name == "holds" && CHANGING.contains(&name.as_str()) {
            continue;
        }
        let transaction = superuser.begin().await.unwrap();
        let table = format!("banking.{table_name}");
        run(
            &transaction,
            &format!("ALTER TABLE {table} DISABLE TRIGGER USER"),
        )
        .await;
        // The constraints allow no other value of some columns.
        let drop = format!(
            "DO $$ DECLARE v text; BEGIN
                 FOR v IN SELECT conname FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype = 'c' LOOP
                     EXECUTE format('ALTER TABLE {table} DROP CONSTRAINT %I', v);
                 END LOOP;
                 FOR v IN SELECT format('ALTER DOMAIN %s DROP CONSTRAINT %I', contypid::regtype, conname)
                          FROM pg_constraint WHERE contypid <> 0 LOOP
                     EXECUTE v;
                 END LOOP;
             END $$"
        );
        run(&transaction, &drop).await;
        if is_generated {
            run(
                &transaction,
                &format!("ALTER TABLE {table} ALTER {name} DROP EXPRESSION"),
            )
            .await;
        }
        let value = match type_name.as_str() {
            "text" => format!("coalesce({name}, '') || 'x'"),
            "uuid" => "gen_random_uuid()".to_owned(),
            "numeric" => format!("{name} + 0.01"),
            "int8" => format!("coalesce({name}, 0) + 1000"),
            "timestamptz" => format!("coalesce({name}, now()) + interval '1 microsecond'"),
            "bytea" => format!("sha256(coalesce({name}, ''))"),
            "jsonb" => r#"'{"a": 1}'"#.to_owned(),
            "date" => format!("coalesce({name}, current_date) + 1"),
            other => panic!("{table}.{name} is of type {other}: name another value of it"),
        };
        let one = format!("ctid = (SELECT ctid FROM {table} LIMIT 1)");
        let update = format!("UPDATE {table} SET {name} = {value} WHERE {one}");
        assert_eq!(run(&transaction, &update).await, 1, "{update}");
        let found = findings(&transaction).await;
        assert!(
            !found.is_empty(),
            "banking.hash_records() does not hash {table}.{name}"
        );
        transaction.rollback().await.unwrap();
    }
    assert_eq!(findings(&bank.database).await, []);
}

async fn settings_do_not_change_the_hash(bank: TestBank) {
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    let superuser = bank.superuser().await;
    let transaction = superuser.begin().await.unwrap();
    for sql in [
        "SET LOCAL DateStyle = 'SQL, DMY'",
        "SET LOCAL IntervalStyle = 'sql_standard'",
        "SET LOCAL TimeZone = 'Asia/Kathmandu'",
        "SET LOCAL bytea_output = 'escape'",
        "SET LOCAL extra_float_digits = -15",
        "SET LOCAL lc_numeric = 'C'",
        "SET LOCAL lc_monetary = 'C'",
        "SET LOCAL standard_conforming_strings = off",
        "SET LOCAL quote_all_identifiers = on",
        "SET LOCAL client_encoding = 'WIN1250'",
    ] {
        run(&transaction, sql).await;
        let found = "SELECT count(*) FROM banking.verify_chain()";
        assert_eq!(number(&transaction, found).await, 0, "{sql}");
    }
}
