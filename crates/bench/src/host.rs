//! The server, and the benchmark's own database on it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseConfig, ErrorClass, Executor, statement};
use neobank_migration::{Rollout, RolloutOptions};
use neobank_postgres::{Durability, LocalServer, ServerOptions, Source};

use crate::error::BenchError;
use crate::options::Options;

/// The longest wait for autovacuum before a measurement; a throttled one takes hours for a large
/// table.
const VACUUMS_MAX: Duration = Duration::from_secs(30);

pub(crate) struct Host {
    server: Arc<LocalServer>,
    name: String,
    /// The superuser's URL of the database.
    pub(crate) url: String,
    pub(crate) superuser: Database,
    /// The process identifier of the postmaster, when the benchmark started the server.
    pub(crate) process: Option<u32>,
}

impl Host {
    pub(crate) async fn start(options: &Options) -> Result<Self, BenchError> {
        let server = start(options).await?;
        let name = format!("neobank_bench_{}", std::process::id());
        let owner = server.create_database(&name)?;
        let url = server.database_url(&name);
        Rollout::connect(&owner, RolloutOptions::default())
            .await?
            .up()
            .await?;
        Ok(Self {
            process: server.process_id(),
            superuser: superuser(&url).await?,
            server: Arc::new(server),
            name,
            url,
        })
    }

    /// Copies the database on the same server; no session may be connected to it.
    pub(crate) async fn copy(&self) -> Result<Self, BenchError> {
        static COPIES: AtomicU32 = AtomicU32::new(0);
        let number = COPIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}_{number}", self.name);
        self.administer(&format!("CREATE DATABASE {name} TEMPLATE {}", self.name))
            .await?;
        let url = self.server.database_url(&name);
        Ok(Self {
            superuser: superuser(&url).await?,
            server: Arc::clone(&self.server),
            process: self.process,
            name,
            url,
        })
    }

    /// Connects again to the same database, after a copy that required no connections.
    pub(crate) async fn reconnect(&mut self) -> Result<(), BenchError> {
        self.superuser = superuser(&self.url).await?;
        Ok(())
    }

    pub(crate) async fn drop_database(&self) -> Result<(), BenchError> {
        self.superuser.close();
        self.administer(&format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            self.name
        ))
        .await
    }

    async fn administer(&self, sql: &str) -> Result<(), BenchError> {
        let administrator = superuser(self.server.url()).await?;
        administrator.execute(statement(sql, [])).await?;
        administrator.close();
        Ok(())
    }

    /// Returns the configuration of an application: with its privileges, and a pool of that many
    /// connections.
    pub(crate) fn application(&self, connections: usize) -> Result<DatabaseConfig, BenchError> {
        let mut config = DatabaseConfig::from_url(&self.url)?.with_role("neobank_app");
        config.application_name = "neobank bench".to_owned();
        config.pool_max = connections;
        config.waiters_max = 200_000;
        config.acquire_timeout = Duration::from_secs(60);
        config.lock_timeout = Duration::from_secs(60);
        // The audit is one statement, whose time grows with the journal.
        config.statement_timeout = Duration::from_secs(3_600);
        config.idle_in_transaction_timeout = Duration::from_secs(300);
        Ok(config)
    }

    /// Runs a checkpoint and a vacuum, so that the server does neither for earlier work during the
    /// next measurement.
    pub(crate) async fn settle(&self) -> Result<(), BenchError> {
        match self.superuser.execute(statement("CHECKPOINT", [])).await {
            Err(error) if error.class() != ErrorClass::InsufficientPrivilege => {
                return Err(error.into());
            }
            // A role without the privilege to run a checkpoint measures with what the server still
            // has to write.
            _ => {}
        }
        let vacuums = "SELECT count(*) FROM pg_catalog.pg_stat_activity
                       WHERE backend_type = 'autovacuum worker' AND datname = current_database()";
        let started = Instant::now();
        while started.elapsed() < VACUUMS_MAX {
            let running: i64 = self.superuser.fetch_value(statement(vacuums, [])).await?;
            if running == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    pub(crate) fn version(&self) -> u32 {
        self.server.version()
    }

    pub(crate) fn origin(&self) -> &str {
        self.server.origin()
    }

    /// Finds a client program of PostgreSQL: beside the server, or in `PATH`.
    pub(crate) fn program(&self, name: &'static str) -> Result<PathBuf, BenchError> {
        let beside = self
            .server
            .bin_directory()
            .map(|directory| directory.join(name));
        beside
            .into_iter()
            .chain([PathBuf::from(name)])
            .find(|program| {
                Command::new(program)
                    .arg("--version")
                    .output()
                    .is_ok_and(|output| output.status.success())
            })
            .ok_or(BenchError::NoProgram { program: name })
    }

    pub(crate) async fn end(self) -> Result<(), BenchError> {
        self.drop_database().await?;
        let Some(server) = Arc::into_inner(self.server) else {
            return Err(BenchError::other("the server", "is still in use"));
        };
        match tokio::task::spawn_blocking(move || server.stop()).await {
            Ok(stopped) => Ok(stopped?),
            Err(panicked) => Err(BenchError::other("the server", panicked)),
        }
    }
}

async fn superuser(url: &str) -> Result<Database, BenchError> {
    let mut config = DatabaseConfig::from_url(url)?;
    config.statement_timeout = Duration::from_secs(3_600);
    Ok(Database::connect(config).await?)
}

async fn start(options: &Options) -> Result<LocalServer, BenchError> {
    let most = options.connections
        + options.instances.saturating_mul(options.workers).min(1_000)
        + options
            .callers
            .iter()
            .copied()
            .max()
            .unwrap_or(0)
            .min(1_000);
    let mut server = ServerOptions::default()
        .durability(Durability::Durable)
        .version(options.server.postgres)
        .setting("max_connections", (most + 50).to_string());
    for (name, value) in &options.server.settings {
        server = server.setting(name, value);
    }
    if let Some(url) = &options.server.url {
        server = server.source(Source::Url(url.clone()));
    }
    match tokio::task::spawn_blocking(move || server.start()).await {
        Ok(started) => Ok(started?),
        Err(panicked) => Err(BenchError::other("the server", panicked)),
    }
}
