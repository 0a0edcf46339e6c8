//! Typed rows of parameterised statements, on the pool and in a transaction, and SeaORM's entities
//! on both.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use neobank_db::{DatabaseError, Executor, FromColumn, FromRow, statement};
use neobank_entity::enums::CustomerStatus;
use neobank_entity::orm::banking::{customer_preferences, customers};
use rust_decimal::Decimal;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder,
};
use uuid::Uuid;

use crate::harness::TestBank;

on_both_versions!(
    every_type_round_trips,
    nulls_round_trip,
    arrays_round_trip,
    unreadable_column_is_named,
    unsupported_parameter_is_rejected,
    fetches_return_one_many_or_no_rows,
    entities_run_on_the_pool_and_in_a_transaction,
);

#[derive(Debug, PartialEq, FromRow)]
struct All {
    a: bool,
    b: i16,
    c: i32,
    d: i64,
    e: f64,
    f: Decimal,
    g: String,
    h: Vec<u8>,
    i: Uuid,
    j: DateTime<Utc>,
    k: NaiveDate,
    l: serde_json::Value,
}

async fn every_type_round_trips(bank: TestBank) {
    let all = All {
        a: true,
        b: -2,
        c: i32::MAX,
        d: i64::MIN,
        e: 0.1,
        f: "-79228162514264337593543950335".parse().unwrap(),
        g: "čš'\"\\".to_owned(),
        h: vec![0, 255],
        i: Uuid::now_v7(),
        j: "2026-11-23T01:02:03.000004Z".parse().unwrap(),
        k: "1993-01-01".parse().unwrap(),
        l: serde_json::json!({"a": [1, null]}),
    };
    let parameters = [
        all.a.into(),
        all.b.into(),
        all.c.into(),
        all.d.into(),
        all.e.into(),
        all.f.into(),
        all.g.as_str().into(),
        all.h.clone().into(),
        all.i.into(),
        all.j.into(),
        all.k.into(),
        all.l.clone().into(),
    ];
    let sql = "SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d, $5 AS e, $6 AS f, $7 AS g, $8 AS h, $9 AS i, $10 AS j, $11 AS k,
                      $12 AS l";
    let found: All = bank
        .database
        .fetch_one(statement(sql, parameters.clone()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found, all);
    let transaction = bank.database.begin().await.unwrap();
    let found: Vec<All> = transaction
        .fetch_many(statement(sql, parameters))
        .await
        .unwrap();
    assert_eq!(found, [all]);
}

async fn nulls_round_trip(bank: TestBank) {
    let sql = "SELECT $1::uuid IS NULL AND $2::numeric IS NULL AND $3::timestamptz IS NULL AND $4::text[] IS NULL";
    let parameters = [
        Option::<Uuid>::None.into(),
        Option::<Decimal>::None.into(),
        Option::<DateTime<Utc>>::None.into(),
        Option::<Vec<String>>::None.into(),
    ];
    assert!(
        bank.database
            .fetch_value::<bool>(statement(sql, parameters))
            .await
            .unwrap()
    );
    let none: Option<Decimal> = bank
        .database
        .fetch_value(statement("SELECT NULL::numeric", []))
        .await
        .unwrap();
    assert_eq!(none, None);
    let error = bank
        .database
        .fetch_value::<Decimal>(statement("SELECT NULL::numeric AS x", []))
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::Row { .. }), "{error:?}");
}

async fn arrays_round_trip(bank: TestBank) {
    let texts = vec!["a".to_owned(), "{,\"}".to_owned(), String::new()];
    let found: Vec<String> = bank
        .database
        .fetch_value(statement("SELECT $1", [texts.clone().into()]))
        .await
        .unwrap();
    assert_eq!(found, texts);
    let ids = vec![Uuid::now_v7(), Uuid::nil()];
    let found: Vec<Uuid> = bank
        .database
        .fetch_value(statement("SELECT $1", [ids.clone().into()]))
        .await
        .unwrap();
    assert_eq!(found, ids);
    #[derive(Debug, FromRow)]
    struct Arrays {
        a: Vec<bool>,
        b: Vec<i16>,
        c: Vec<f64>,
        d: Vec<Decimal>,
        e: Vec<NaiveDate>,
        f: Vec<DateTime<Utc>>,
    }
    let found: Arrays = bank
        .database
        .fetch_one(statement(
            "SELECT '{t,f}'::bool[] AS a, '{1,-2}'::smallint[] AS b, '{0.5}'::float8[] AS c, '{1.05}'::numeric[] AS d,
                    '{1993-01-01}'::date[] AS e, '{1993-01-01 00:00+00}'::timestamptz[] AS f",
            [],
        ))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.a, found.b, found.c),
        (vec![true, false], vec![1, -2], vec![0.5])
    );
    assert_eq!(
        (found.d, found.e.len(), found.f.len()),
        (vec![Decimal::new(105, 2)], 1, 1)
    );
    let sum: Decimal = bank
        .database
        .fetch_value(statement(
            "SELECT sum(x) FROM unnest($1::numeric[]) AS x",
            [vec![Decimal::new(105, 2), Decimal::new(-5, 2)].into()],
        ))
        .await
        .unwrap();
    assert_eq!(sum, Decimal::ONE);
}

async fn unreadable_column_is_named(bank: TestBank) {
    // A numeric that is rounded, and a time that wraps, would be read as another value without a word.
    rejected::<Vec<Decimal>>(&bank, "SELECT '{NaN}'::numeric[] AS found").await;
    for sql in [
        "SELECT 'NaN'::numeric AS found",
        "SELECT 1.00000000000000000000000000001 AS found",
        "SELECT 79228162514264337593543950335.5 AS found",
    ] {
        rejected::<Decimal>(&bank, sql).await;
    }
    rejected::<NaiveTime>(&bank, "SELECT '24:00'::time AS found").await;
    for sql in [
        "SELECT '1 day'::interval AS found",
        "SELECT '127.0.0.1'::inet AS found",
        "SELECT NULL::text AS found",
        "SELECT 1 AS found",
    ] {
        rejected::<String>(&bank, sql).await;
    }
    rejected::<i64>(&bank, "SELECT 1::int AS found").await;
    rejected::<i32>(&bank, "SELECT 1 AS found, 2 AS found").await;
    rejected::<i32>(&bank, "SELECT 1 AS other, 'found' AS another").await;
    // A row that cannot be read does not harm the connection.
    bank.database
        .fetch_value::<i32>(statement("SELECT 1", []))
        .await
        .unwrap();
}

/// Reads the column `found` as `T`, and expects an error that names it.
async fn rejected<T: FromColumn + std::fmt::Debug + Send>(bank: &TestBank, sql: &str) {
    #[derive(Debug, FromRow)]
    struct Found<T: FromColumn> {
        #[allow(dead_code, reason = "it is never read, because reading it fails")]
        found: T,
    }
    let error = bank
        .database
        .fetch_many::<Found<T>>(statement(sql, []))
        .await
        .unwrap_err();
    let DatabaseError::Row { reason } = &error else {
        panic!("{error:?}")
    };
    assert!(reason.contains("found"), "{sql}: {reason}");
}

async fn unsupported_parameter_is_rejected(bank: TestBank) {
    use neobank_db::driver::{ToSql, Type};
    let nul = bank.database.execute(statement("SELECT 'a\0b'", [])).await;
    assert!(
        matches!(nul, Err(DatabaseError::Parameter { .. })),
        "{nul:?}"
    );
    let nul = bank
        .database
        .execute(statement("SELECT $1", ["a\0b".into()]))
        .await;
    assert!(nul.is_err());
    let transaction = bank.database.begin().await.unwrap();
    let prepared = transaction
        .prepare("SELECT $1::int", &[Type::INT4])
        .await
        .unwrap();
    let two: [&(dyn ToSql + Sync); 2] = [&1, &2];
    for parameters in [&[][..], &two[..]] {
        let outcome = transaction.execute_prepared(&prepared, parameters).await;
        assert!(
            matches!(outcome, Err(DatabaseError::Parameter { .. })),
            "{outcome:?}"
        );
    }
    transaction.commit().await.unwrap();
}

async fn fetches_return_one_many_or_no_rows(bank: TestBank) {
    #[derive(Debug, FromRow)]
    struct Number {
        n: i32,
    }
    let sql = "SELECT n FROM generate_series(1, $1::int) AS n";
    let many: Vec<Number> = bank
        .database
        .fetch_many(statement(sql, [3.into()]))
        .await
        .unwrap();
    assert_eq!(
        many.iter().map(|number| number.n).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert!(
        bank.database
            .fetch_one::<Number>(statement(sql, [0.into()]))
            .await
            .unwrap()
            .is_none()
    );
    let error = bank
        .database
        .fetch_value::<i32>(statement(sql, [0.into()]))
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::NoRow));
    let touched = bank
        .database
        .execute(statement("SELECT n FROM generate_series(1, 5) AS n", []))
        .await
        .unwrap();
    assert_eq!(touched, 5);
}

async fn entities_run_on_the_pool_and_in_a_transaction(bank: TestBank) {
    let new = |name: &str| customers::ActiveModel {
        customer_id: Set(Uuid::now_v7()),
        first_name: Set(name.to_owned()),
        last_name: Set("Entity".to_owned()),
        ..Default::default()
    };
    let ada: customers::Model = new("Ada").insert(&bank.database).await.unwrap();
    assert!(
        ada.customer_number.starts_with('C'),
        "the database made the number: {ada:?}"
    );
    let transaction = bank.database.begin().await.unwrap();
    new("Gone").insert(&transaction).await.unwrap();
    let inside = customers::Entity::find().count(&transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(
        (
            inside,
            customers::Entity::find()
                .count(&bank.database)
                .await
                .unwrap()
        ),
        (2, 1)
    );

    let mut change: customers::ActiveModel = ada.clone().into();
    change.customer_status = Set(CustomerStatus::Suspended);
    let changed = change.update(&bank.database).await.unwrap();
    assert!(changed.updated_at > ada.updated_at);
    customer_preferences::ActiveModel {
        customer_id: Set(ada.customer_id),
        preferences: Set(serde_json::json!({"language": "cs"})),
        ..Default::default()
    }
    .insert(&bank.database)
    .await
    .unwrap();
    let found = customers::Entity::find()
        .filter(customers::Column::CustomerStatus.eq(CustomerStatus::Suspended))
        .find_also_related(customer_preferences::Entity)
        .order_by_asc(customers::Column::CustomerId)
        .all(&bank.database)
        .await
        .unwrap();
    let [(customer, Some(preferences))] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (customer.customer_id, &preferences.preferences["language"]),
        (ada.customer_id, &"cs".into())
    );
    // A rejection by the database is an error with its SQLSTATE.
    let error = new("").insert(&bank.database).await.unwrap_err();
    assert!(error.to_string().contains("23514"), "{error}");
}
