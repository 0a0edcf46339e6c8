//! The hit ratio of the server's buffers.

use chrono::{DateTime, Utc};
use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::PgStatDatabase;
use sea_query::{Expr, ExprTrait, Func, Order, Query};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;

/// The blocks that the sessions of a database requested since its statistics began.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct CacheRow {
    /// The database; none for relations that all databases share.
    pub database: Option<String>,
    /// Blocks found in the server's own buffers.
    pub blocks_hit: i64,
    /// Blocks requested from the operating system, which may have had them in its own cache.
    pub blocks_read: i64,
    /// The percentage found in the buffers; none when no block was requested.
    pub hit_percent: Option<f64>,
    /// The start of the statistics; none when they were never reset.
    pub counted_since: Option<DateTime<Utc>>,
}

/// Returns the SQL for the blocks of each database, with the most read blocks first.
#[must_use]
pub fn statement() -> Statement {
    let hit = || Expr::col(PgStatDatabase::BlksHit).cast_as("float8");
    let all = Expr::col(PgStatDatabase::BlksHit).add(Expr::col(PgStatDatabase::BlksRead));
    let share = hit().mul(100).div(Func::cust("nullif").arg(all).arg(0));
    build(
        Query::select()
            .expr_as(
                Expr::col(PgStatDatabase::Datname).cast_as("text"),
                "database",
            )
            .expr_as(Expr::col(PgStatDatabase::BlksHit), "blocks_hit")
            .expr_as(Expr::col(PgStatDatabase::BlksRead), "blocks_read")
            .expr_as(share, "hit_percent")
            .expr_as(Expr::col(PgStatDatabase::StatsReset), "counted_since")
            .from(PgStatDatabase::TABLE)
            .order_by(PgStatDatabase::BlksRead, Order::Desc)
            .order_by(PgStatDatabase::Datid, Order::Asc),
    )
}

impl Monitor {
    /// Reads the hit ratio of the buffers for each database, with the most read blocks first.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn cache_hits(&self) -> Result<Section<Vec<CacheRow>>, OpsError> {
        self.section(statement()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("cache_hits", readable(&statement()));
    }
}
