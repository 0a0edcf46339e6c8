//! Samples of the pools in the table `pooling.pool_stats`.

use neobank_db::{Database, DatabaseError, Executor, statement};

use super::{PgbouncerConsole, ShowPool, ShowStats};

/// The length limit of the table's column.
const NAME_MAX: usize = 100;

impl PgbouncerConsole {
    /// Adds a row to `pooling.pool_stats` for each pool except the console's own, and returns their
    /// number. A pool's name is `pgbouncer:database/user`, cut at 100 characters. Its longest wait
    /// is that of the client that waits now. Statements and their mean time are those of the pool's
    /// database, because PgBouncer has no counts per pool.
    ///
    /// Call it at an interval, and [`neobank_db::pool::delete_samples`] to delete old samples.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`] when PgBouncer or the database rejects a statement; no row is then added.
    pub async fn record(&self, database: &Database) -> Result<u64, DatabaseError> {
        let pools = self.pools().await?;
        let stats = self.stats().await?;
        let transaction = database.begin().await?;
        let mut rows = 0;
        for pool in &pools {
            if pool.database == Self::DATABASE {
                continue;
            }
            let of_database = stats.iter().find(|row| row.database == pool.database);
            rows += transaction
                .execute(statement(INSERT, values(pool, of_database)))
                .await?;
        }
        transaction.commit().await?;
        Ok(rows)
    }
}

const INSERT: &str = "INSERT INTO pooling.pool_stats (pool_name, client_connections, server_connections, server_active, \
    server_idle, max_wait_ms, avg_query_time_ms, total_requests) \
    VALUES ($1, $2, $3, $4, $5, $6, $7::pg_catalog.float8 / 1000, $8)";

fn values(pool: &ShowPool, stats: Option<&ShowStats>) -> [neobank_db::Value; 8] {
    let count = |count: i64| i32::try_from(count.max(0)).unwrap_or(i32::MAX);
    let known = |count: Option<i64>| count.unwrap_or(0);
    let name = format!("pgbouncer:{}/{}", pool.database, pool.user);
    let mean = stats
        .filter(|stats| known(stats.avg_query_count) > 0)
        .and_then(|stats| stats.avg_query_time)
        .and_then(|microseconds| u32::try_from(microseconds).ok())
        .map(f64::from);
    [
        name.chars().take(NAME_MAX).collect::<String>().into(),
        count(known(pool.cl_active).saturating_add(known(pool.cl_waiting))).into(),
        count(pool.server_connections()).into(),
        count(known(pool.sv_active)).into(),
        count(known(pool.sv_idle)).into(),
        (known(pool.max_wait_microseconds()).max(0) / 1000).into(),
        mean.into(),
        known(stats.and_then(|stats| stats.total_query_count))
            .max(0)
            .into(),
    ]
}
