//! The console of a running PgBouncer: its `SHOW` pages, read by the names of their columns.

mod rows;
mod sample;

use neobank_db::{DatabaseConfig, DatabaseError, DirectConnection, TextRow};

pub use rows::{ShowClient, ShowDatabase, ShowPool, ShowServer, ShowSetting, ShowStats};

use super::PgbouncerVersion;

/// A connection to the console of a PgBouncer.
///
/// The pages differ between the versions, so columns are found by their names, and a column that a
/// version does not have is `None`.
///
/// # Example
///
/// ```no_run
/// use neobank_db::DatabaseConfig;
/// use neobank_ops::pgbouncer::PgbouncerConsole;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let config = DatabaseConfig::from_url("postgresql://watcher:secret@localhost:6432/bank")?;
/// let console = PgbouncerConsole::open(&config).await?;
/// for pool in console.pools().await? {
///     println!("{} {}: {:?} wait", pool.database, pool.user, pool.cl_waiting);
/// }
/// # Ok::<(), neobank_db::DatabaseError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct PgbouncerConsole {
    connection: DirectConnection,
}

impl PgbouncerConsole {
    /// The database name of the console.
    pub const DATABASE: &'static str = "pgbouncer";

    /// Opens the console. The user must be in `admin_users` or `stats_users`; the configuration's
    /// database is ignored.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Connect`] and [`DatabaseError::Config`].
    pub async fn open(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let mut config = config.clone();
        config.database = Self::DATABASE.to_owned();
        Ok(Self {
            connection: DirectConnection::open(&config).await?,
        })
    }

    /// Returns the text of `SHOW VERSION`.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]; [`DatabaseError::NoRow`] when the result is empty.
    pub async fn version_text(&self) -> Result<String, DatabaseError> {
        let rows = self.connection.simple_query("SHOW VERSION").await?;
        let row = rows.first().ok_or(DatabaseError::NoRow)?;
        rows::text(row, "version")
    }

    /// Returns the release line that [`PgbouncerConfig`](super::PgbouncerConfig) needs; none below
    /// 1.18.
    ///
    /// # Errors
    ///
    /// As [`Self::version_text`].
    pub async fn version(&self) -> Result<Option<PgbouncerVersion>, DatabaseError> {
        Ok(self.version_text().await?.parse().ok())
    }

    /// Reads `SHOW POOLS`.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn pools(&self) -> Result<Vec<ShowPool>, DatabaseError> {
        self.page("SHOW POOLS", ShowPool::read).await
    }

    /// Reads `SHOW STATS`.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn stats(&self) -> Result<Vec<ShowStats>, DatabaseError> {
        self.page("SHOW STATS", ShowStats::read).await
    }

    /// Reads `SHOW DATABASES`.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn databases(&self) -> Result<Vec<ShowDatabase>, DatabaseError> {
        self.page("SHOW DATABASES", ShowDatabase::read).await
    }

    /// Reads `SHOW CLIENTS`.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn clients(&self) -> Result<Vec<ShowClient>, DatabaseError> {
        self.page("SHOW CLIENTS", ShowClient::read).await
    }

    /// Reads `SHOW SERVERS`.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn servers(&self) -> Result<Vec<ShowServer>, DatabaseError> {
        self.page("SHOW SERVERS", ShowServer::read).await
    }

    /// Reads `SHOW CONFIG`.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn settings(&self) -> Result<Vec<ShowSetting>, DatabaseError> {
        self.page("SHOW CONFIG", ShowSetting::read).await
    }

    async fn page<T>(
        &self,
        command: &'static str,
        read: fn(&TextRow) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        let rows = self.connection.simple_query(command).await?;
        rows.iter().map(read).collect()
    }
}
