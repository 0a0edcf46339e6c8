//! The currencies here are those in the database.

use neobank_db::{Executor, FromRow, statement};
use neobank_domain::Currency;

use crate::harness::TestBank;

on_both_versions!(currencies_are_the_databases);

#[derive(FromRow)]
struct Row {
    currency_code: String,
    minor_units: i16,
}

async fn currencies_are_the_databases(bank: TestBank) {
    let sql = "SELECT currency_code, minor_units FROM banking.currencies ORDER BY currency_code";
    let rows: Vec<Row> = bank.database.fetch_many(statement(sql, [])).await.unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.currency_code.as_str(), row.minor_units as u32))
        .collect();
    let ours: Vec<_> = Currency::all()
        .map(|currency| (currency.code(), currency.minor_units()))
        .collect();
    assert_eq!(rows, ours);
}
