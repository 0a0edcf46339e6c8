//! A PostgreSQL server that faults kill, stop, freeze and start again.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_postgres::{Client, Config, NoTls};

use super::workplace;

/// The time limit of a start, which includes the recovery after a crash.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The time limit of a connection to a server that may stand still.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A server with its folder, which belongs to the run's workplace.
#[derive(Debug)]
pub(crate) struct Node {
    programs: PathBuf,
    folder: PathBuf,
    config: Config,
    port: u16,
    child: Option<Child>,
    /// Variables of the environment from the next start on.
    pub(crate) environment: Vec<(String, String)>,
}

impl Node {
    /// Copies a running server into a folder, and starts the copy. With `follows`, it is a standby
    /// of that server. The copy has its databases, roles and passwords.
    pub(crate) async fn copy(
        programs: &Path,
        folder: PathBuf,
        from: &str,
        follows: bool,
    ) -> anyhow::Result<Self> {
        let mut command = workplace::command(&programs.join("pg_basebackup"), &folder);
        command.args([
            "--checkpoint=fast",
            "--no-sync",
            "-X",
            "stream",
            "-D",
            "data",
            "-d",
            from,
        ]);
        if follows {
            command.arg("-R");
        }
        tokio::task::spawn_blocking(move || workplace::run(&mut command)).await??;
        let port = free_port()?;
        let mut config: Config = from.parse()?;
        config = on_port(&config, port)?;
        let mut node = Self {
            programs: programs.to_owned(),
            folder,
            config,
            port,
            child: None,
            environment: Vec::new(),
        };
        node.start().await?;
        Ok(node)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn programs(&self) -> &Path {
        &self.programs
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Returns the superuser's URL of the database `postgres`, with the password.
    pub(crate) fn url(&self) -> String {
        let password = self.config.get_password().unwrap_or_default();
        format!(
            "postgresql://{}:{}@127.0.0.1:{}/postgres",
            self.config.get_user().unwrap_or_default(),
            String::from_utf8_lossy(password),
            self.port
        )
    }

    /// Starts the server, and returns when it accepts connections. A killed server's processes may
    /// still end, so a failed start is repeated.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if !self.is_running() {
                self.child = Some(self.spawn()?);
            }
            if self.connect("postgres").await.is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the server does not start: {}", self.log_end());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts the server, and returns at once.
    pub(crate) fn start_without_waiting(&mut self) -> anyhow::Result<()> {
        self.child = Some(self.spawn()?);
        Ok(())
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))?;
        let mut command = workplace::command(&self.programs.join("postgres"), &self.folder);
        command.arg("-D").arg(self.data());
        for (name, value) in [
            ("port", self.port.to_string().as_str()),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", ""),
            ("max_connections", "60"),
            ("max_prepared_transactions", "5"),
            ("max_wal_senders", "5"),
            ("shared_buffers", "64MB"),
            ("max_wal_size", "256MB"),
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
            ("logging_collector", "off"),
            ("log_destination", "stderr"),
            ("deadlock_timeout", "200ms"),
            ("timezone", "UTC"),
            ("restart_after_crash", "on"),
            // One call instead of one for each file: the machine itself never crashes here.
            ("recovery_init_sync_method", "syncfs"),
        ] {
            // The faults change these in the server's files.
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot run postgres")
    }

    /// Returns whether its first process runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Returns the id of its first process.
    pub(crate) fn process(&self) -> anyhow::Result<u32> {
        let child = self.child.as_ref().context("the server was not started")?;
        Ok(child.id())
    }

    /// Sends a signal to its first process.
    pub(crate) fn signal(&self, name: Signal) -> anyhow::Result<()> {
        signal(self.process()?, name)
    }

    /// Sends a signal to its first process, and waits for the end of it and of its children.
    pub(crate) async fn end(&mut self, name: Signal) -> anyhow::Result<()> {
        self.signal(name)?;
        let deadline = Instant::now() + START_LIMIT;
        while self.is_running() || !self.processes().is_empty() {
            if Instant::now() > deadline {
                bail!("the server does not end");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Returns the ids of its processes, those of a killed predecessor among them.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let data = self.data();
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter(|entry| {
                std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == data)
            })
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// Connects to a database as the superuser.
    pub(crate) async fn connect(&self, database: &str) -> anyhow::Result<Client> {
        let mut config = self.config.clone();
        config.dbname(database).application_name("torture-bench");
        connect(&config).await
    }

    /// Runs statements in the bank's database, as the superuser.
    pub(crate) async fn sql(&self, sql: &str) -> anyhow::Result<()> {
        let client = self.connect(super::bank::DATABASE).await?;
        client
            .batch_execute(sql)
            .await
            .with_context(|| sql.to_owned())
    }

    /// Returns the first column of each row of a query in the bank's database.
    pub(crate) async fn numbers(&self, sql: &str) -> anyhow::Result<Vec<i64>> {
        let client = self.connect(super::bank::DATABASE).await?;
        let rows = client
            .query(sql, &[])
            .await
            .with_context(|| sql.to_owned())?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Returns the last failures of its log.
    pub(crate) fn log_end(&self) -> String {
        let log = std::fs::read(self.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let is_failure = |line: &&str| line.contains("FATAL") || line.contains("PANIC");
        let failures: Vec<&str> = text.lines().rev().filter(is_failure).take(2).collect();
        failures.join("; ")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.signal(Signal::SIGCONT);
            let _ = self.signal(Signal::SIGQUIT);
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.is_running() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Sends a signal to a process of this run.
pub(crate) fn signal(process: u32, name: Signal) -> anyhow::Result<()> {
    let process = i32::try_from(process)?;
    kill(Pid::from_raw(process), name).with_context(|| format!("{name} to process {process}"))
}

/// Connects within a limit, and drives the connection on a task of its own.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<Client> {
    let connected = tokio::time::timeout(CONNECT_LIMIT, config.connect(NoTls));
    let (client, connection) = connected.await.context("the server does not answer")??;
    tokio::spawn(connection);
    Ok(client)
}

/// Returns the same configuration with another port.
fn on_port(config: &Config, port: u16) -> anyhow::Result<Config> {
    let mut other = Config::new();
    other
        .host("127.0.0.1")
        .port(port)
        .user(config.get_user().context("the URL has no user")?)
        .password(config.get_password().unwrap_or_default());
    Ok(other)
}

/// Returns a port that is free at the moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}
