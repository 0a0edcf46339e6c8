//! The distance of each database and table to transaction ID wraparound.
//!
//! Transaction numbers, and numbers of multixacts (groups of transactions that lock a row
//! together), have 32 bits and wrap around. A row must be frozen before half of them have passed.
//! Autovacuum freezes from `autovacuum_freeze_max_age` on. If it cannot, the server rejects all
//! writes three million numbers before the end.

use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::{PgClass, PgDatabase, PgNamespace};
use sea_query::extension::postgres::PgFunc;
use sea_query::{Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, TableRef};
use serde::Serialize;

use crate::arrays::texts;
use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::sql::{always, is_namespace_of, text};

/// The age from which on the server assigns no more numbers: half of all numbers, less three
/// million (`xidStopLimit` and `multiStopLimit` in PostgreSQL's source).
pub const STOP_AGE: i64 = 2_147_483_648 - 3_000_000;

/// The greatest number of listed tables; the oldest come first.
pub const TABLES_MAX: u32 = 1_000;

/// A database's age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct DatabaseAgeRow {
    /// The database; databases that allow no connections age too.
    pub database_name: String,
    /// Transactions since the oldest row that is not frozen.
    pub transaction_age: i64,
    /// Multixacts since the oldest one that is still in use.
    pub multixact_age: i64,
    /// `autovacuum_freeze_max_age`.
    pub transaction_age_max: i64,
    /// `autovacuum_multixact_freeze_max_age`.
    pub multixact_age_max: i64,
}

/// A table's age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct TableAgeRow {
    /// The table's schema.
    pub schema_name: String,
    /// The table, with its TOAST table.
    pub table_name: String,
    /// Transactions since the oldest row that is not frozen.
    pub transaction_age: i64,
    /// Multixacts since the oldest one that is still in use.
    pub multixact_age: i64,
    /// The age at which autovacuum freezes the table: the server's setting, or the table's own.
    pub transaction_age_max: i64,
    /// The same for multixacts.
    pub multixact_age_max: i64,
}

/// The level of an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgeLevel {
    /// Autovacuum need not freeze yet.
    Young,
    /// Autovacuum freezes now, or should.
    Due,
    /// The age is twice autovacuum's limit: something prevents it from freezing.
    Overdue,
    /// More than four fifths of the way to the end.
    Critical,
}

impl AgeLevel {
    /// Returns the level of an age; `max` is the age at which autovacuum freezes.
    #[must_use]
    pub const fn of(age: i64, max: i64) -> Self {
        if age >= STOP_AGE / 5 * 4 {
            Self::Critical
        } else if age >= max.saturating_mul(2) {
            Self::Overdue
        } else if age > max {
            Self::Due
        } else {
            Self::Young
        }
    }
}

impl DatabaseAgeRow {
    /// Returns the worse of its two levels.
    #[must_use]
    pub fn level(&self) -> AgeLevel {
        AgeLevel::of(self.transaction_age, self.transaction_age_max)
            .max(AgeLevel::of(self.multixact_age, self.multixact_age_max))
    }

    /// Returns the number of transactions left before the server rejects writes.
    #[must_use]
    pub const fn transactions_left(&self) -> i64 {
        STOP_AGE.saturating_sub(self.transaction_age)
    }
}

impl TableAgeRow {
    /// Returns the worse of its two levels.
    #[must_use]
    pub fn level(&self) -> AgeLevel {
        AgeLevel::of(self.transaction_age, self.transaction_age_max)
            .max(AgeLevel::of(self.multixact_age, self.multixact_age_max))
    }
}

/// The settings at which autovacuum freezes; a table can have its own values of both.
const TRANSACTION_AGE_MAX: &str = "autovacuum_freeze_max_age";
const MULTIXACT_AGE_MAX: &str = "autovacuum_multixact_freeze_max_age";

/// Returns the SQL for the ages of databases: a row for each, the oldest first.
#[must_use]
pub fn databases() -> Statement {
    let database = |column: PgDatabase| column.of("database");
    build(
        Query::select()
            .expr_as(
                database(PgDatabase::Datname).cast_as("text"),
                "database_name",
            )
            .expr_as(
                age(database(PgDatabase::Datfrozenxid)).cast_as("int8"),
                "transaction_age",
            )
            .expr_as(
                multixact_age(database(PgDatabase::Datminmxid)).cast_as("int8"),
                "multixact_age",
            )
            .expr_as(setting(TRANSACTION_AGE_MAX), "transaction_age_max")
            .expr_as(setting(MULTIXACT_AGE_MAX), "multixact_age_max")
            .from_as(PgDatabase::TABLE, "database")
            .order_by("transaction_age", Order::Desc)
            .order_by("database_name", Order::Asc),
    )
}

/// Returns the SQL for the ages of tables: a row for each, the oldest first, [`TABLES_MAX`] at
/// most. Without schemas, it covers all.
#[must_use]
pub fn tables(schemas: Option<&[String]>) -> Statement {
    let class = |column: PgClass| column.of("class");
    let toast = |column: PgClass| column.of("toast");
    let older = |of_class: Expr, of_toast: Expr| {
        Expr::from(Func::greatest([of_class, of_toast])).cast_as("int8")
    };
    // A table's own limit can only be lower.
    let lower = |name: &'static str, own: &'static str| {
        Func::least([setting(name), Expr::col(("own", own))])
    };
    let in_schemas = schemas.map(|schemas| {
        PgNamespace::Nspname
            .of("space")
            .eq(PgFunc::any(Expr::val(texts(Some(schemas)))))
    });
    build(
        Query::select()
            .expr_as(
                PgNamespace::Nspname.of("space").cast_as("text"),
                "schema_name",
            )
            .expr_as(class(PgClass::Relname).cast_as("text"), "table_name")
            .expr_as(
                older(
                    age(class(PgClass::Relfrozenxid)),
                    age(toast(PgClass::Relfrozenxid)),
                ),
                "transaction_age",
            )
            .expr_as(
                older(
                    multixact_age(class(PgClass::Relminmxid)),
                    multixact_age(toast(PgClass::Relminmxid)),
                ),
                "multixact_age",
            )
            .expr_as(
                lower(TRANSACTION_AGE_MAX, "transaction_age_max"),
                "transaction_age_max",
            )
            .expr_as(
                lower(MULTIXACT_AGE_MAX, "multixact_age_max"),
                "multixact_age_max",
            )
            .from_as(PgClass::TABLE, "class")
            .join_as(
                JoinType::InnerJoin,
                PgNamespace::TABLE,
                "space",
                is_namespace_of("space", "class"),
            )
            .join_as(
                JoinType::LeftJoin,
                PgClass::TABLE,
                "toast",
                toast(PgClass::Oid).eq(class(PgClass::Reltoastrelid)),
            )
            .join_lateral(JoinType::InnerJoin, own_limits(), "own", always())
            .and_where(class(PgClass::Relkind).is_in([text("r"), text("m")]))
            .and_where_option(in_schemas)
            .order_by("transaction_age", Order::Desc)
            .order_by("schema_name", Order::Asc)
            .order_by("table_name", Order::Asc)
            .limit(u64::from(TABLES_MAX)),
    )
}

/// Selects the limits that a table sets for itself; nulls where it sets none.
fn own_limits() -> SelectStatement {
    let option = Func::cust("pg_catalog.pg_options_to_table").arg(PgClass::Reloptions.of("class"));
    let name = || Expr::col(("option", "option_name"));
    let limit = |of: &'static str| {
        Func::min(Expr::col(("option", "option_value")).cast_as("int8")).filter(name().eq(text(of)))
    };
    Query::select()
        .expr_as(limit(TRANSACTION_AGE_MAX), "transaction_age_max")
        .expr_as(limit(MULTIXACT_AGE_MAX), "multixact_age_max")
        .from(TableRef::FunctionCall(option, "option".into()))
        .and_where(name().is_in([text(TRANSACTION_AGE_MAX), text(MULTIXACT_AGE_MAX)]))
        .take()
}

/// Returns the number of transactions since this one.
fn age(transaction: Expr) -> Expr {
    Func::cust("pg_catalog.age").arg(transaction).into()
}

/// Returns the number of multixacts since this one.
fn multixact_age(group: Expr) -> Expr {
    Func::cust("pg_catalog.mxid_age").arg(group).into()
}

/// A setting of the server.
fn setting(name: &'static str) -> Expr {
    Expr::from(Func::cust("pg_catalog.current_setting").arg(text(name))).cast_as("int8")
}

impl Monitor {
    /// Reads the age of each database.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    ///
    /// # Example
    ///
    /// ```
    /// # use neobank_db::DatabaseConfig;
    /// # use neobank_ops::{Monitor, MonitorLimits};
    /// use neobank_ops::wraparound::AgeLevel;
    ///
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let monitor = Monitor::connect(DatabaseConfig::from_url(server.url())?, MonitorLimits::default()).await?;
    /// let databases = monitor.database_ages().await?.into_value().unwrap();
    /// assert!(databases.iter().all(|database| database.level() == AgeLevel::Young));
    /// # Ok::<(), neobank_ops::OpsError>(())
    /// # }).unwrap();
    /// ```
    pub async fn database_ages(&self) -> Result<Section<Vec<DatabaseAgeRow>>, OpsError> {
        self.section(databases()).await
    }

    /// Reads the age of each table of this database.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn table_ages(
        &self,
        schemas: Option<&[String]>,
    ) -> Result<Section<Vec<TableAgeRow>>, OpsError> {
        self.section(tables(schemas)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("database_ages", readable(&databases()));
        insta::assert_snapshot!(
            "table_ages",
            readable(&tables(Some(&["banking".to_owned()])))
        );
    }

    #[test]
    fn levels_follow_the_limits() {
        let max = 200_000_000;
        for (age, level) in [
            (0, AgeLevel::Young),
            (max, AgeLevel::Young),
            (max + 1, AgeLevel::Due),
            (2 * max, AgeLevel::Overdue),
            (1_715_586_918, AgeLevel::Critical),
            (i64::MAX, AgeLevel::Critical),
        ] {
            assert_eq!(AgeLevel::of(age, max), level, "{age}");
        }
        // A limit close to the end does not change the critical level.
        assert_eq!(
            AgeLevel::of(1_900_000_000, 2_000_000_000),
            AgeLevel::Critical
        );
    }
}
