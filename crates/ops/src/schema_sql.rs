//! SQL that the functions and views of the schema share with the crate's queries.
//!
//! Programs without this crate run the same queries through `pooling.check_pool_health()`,
//! `concurrency.table_bloat()` and others. `cargo xtask generate` writes the shared SQL of their
//! bodies from here, so that both are changed in one place.

use std::time::Duration;

use sea_query::{Expr, PostgresQueryBuilder, Query, QueryStatementWriter, WithClause};

use crate::{bloat, blocking, connections, deadlocks, health};

/// A section of the body of a function or a view of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaSql {
    /// The section's name, which the marker lines around it in the object's file contain.
    pub name: &'static str,
    /// The SQL. Its parameters are the function's own.
    pub sql: String,
    /// `true` for SQL of a builder, which is on one line.
    pub is_built: bool,
}

/// Returns the SQL of every section.
#[must_use]
pub fn schema_sql() -> Vec<SchemaSql> {
    let idle_seconds = Expr::val(Duration::from_secs(300).as_secs_f64());
    let counted = health::Counted {
        window_seconds: Expr::cust("p_window_seconds"),
        wait_milliseconds: Expr::cust("p_wait_milliseconds"),
        held_seconds: Expr::cust("p_held_seconds"),
    };
    let left_open = health::server_counts(
        Expr::cust("p_idle_warning_seconds"),
        Expr::cust("p_idle_critical_seconds"),
    );
    vec![
        written("table_bloat", bloat::tables::SQL),
        written("index_bloat", bloat::indexes::SQL),
        built("lock_orders", &deadlocks::lock_orders()),
        built("pool_facts", &health::pool_facts(counted)),
        built("server_counts", &left_open),
        lock_parts(),
        built("connection_analysis", &connections::analysis()),
        built("idle_connections", &connections::idle(idle_seconds)),
    ]
}

/// The first CTEs of `concurrency.analyse_locks()`, without the query that reads them.
fn lock_parts() -> SchemaSql {
    let mut clause = WithClause::new();
    for part in blocking::shared_parts() {
        clause.cte(part);
    }
    let query = Query::select()
        .expr(Expr::cust("1"))
        .with_cte(clause)
        .take();
    let sql = query.to_string(PostgresQueryBuilder);
    let parts = sql.trim_start_matches("WITH ").trim_end_matches("SELECT 1");
    SchemaSql {
        name: "lock_parts",
        sql: parts.trim_end().to_owned(),
        is_built: true,
    }
}

fn written(name: &'static str, sql: &str) -> SchemaSql {
    SchemaSql {
        name,
        sql: sql.trim_end().to_owned(),
        is_built: false,
    }
}

fn built(name: &'static str, query: &impl QueryStatementWriter) -> SchemaSql {
    SchemaSql {
        name,
        sql: query.to_string(PostgresQueryBuilder),
        is_built: true,
    }
}
