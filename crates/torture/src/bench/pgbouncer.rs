//! A PgBouncer in transaction mode, which faults kill and start again.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use neobank_ops::pgbouncer::{
    HbaRule, HbaSource, PgbouncerConfig, PgbouncerUser, PoolDatabase, hba_file, userlist,
};
use nix::sys::signal::Signal;
use tokio_postgres::{Client, Config};

use super::{bank, node, workplace};

const CONSOLE_USER: &str = "operator";
const START_LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Pgbouncer {
    folder: PathBuf,
    port: u16,
    password: String,
    child: Child,
}

impl Pgbouncer {
    /// Starts it before the server at a port of this machine.
    pub(crate) async fn start(
        folder: PathBuf,
        server_port: u16,
        password: &str,
    ) -> anyhow::Result<Self> {
        let port = node::free_port()?;
        let place = |name: &str| folder.join(name).display().to_string();
        let mut backend = PoolDatabase::new(bank::DATABASE, "127.0.0.1", server_port);
        bank::DATABASE.clone_into(&mut backend.database);
        let mut config = PgbouncerConfig::new(version()?.parse()?, backend);
        config.listen_port = port;
        config.listen_addr = Some("127.0.0.1".to_owned());
        config.auth_file = place("userlist.txt");
        config.auth_hba_file = Some(place("hba.conf"));
        config.admin_users = vec![CONSOLE_USER.to_owned()];
        config.max_client_conn = 100;
        config.file_descriptors = 1024;
        config.pool_size = 10;
        // Otherwise it tries again 15 seconds after a server that was away.
        let retry = ("server_login_retry".to_owned(), "1".to_owned());
        config.further.extend([retry]);
        let users = [bank::TELLER, CONSOLE_USER].map(|name| PgbouncerUser::new(name, password));
        let loopback = HbaSource::Network {
            address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 0)),
            bits: 8,
        };
        for (name, text) in [
            ("pgbouncer.ini", config.ini()?),
            ("userlist.txt", userlist(&users)?),
            ("hba.conf", hba_file(&[HbaRule::new(loopback)])?),
        ] {
            let file = folder.join(name);
            std::fs::write(&file, text)?;
            workplace::give(&file)?;
        }
        let child = spawn(&folder)?;
        let mut started = Self {
            folder,
            port,
            password: password.to_owned(),
            child,
        };
        started.await_start().await?;
        Ok(started)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: Signal) -> anyhow::Result<()> {
        node::signal(self.child.id(), name)
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again, on the same port, if it does not run.
    pub(crate) async fn ensure_running(&mut self) -> anyhow::Result<()> {
        if matches!(self.child.try_wait(), Ok(None)) {
            return Ok(());
        }
        self.child = spawn(&self.folder)?;
        self.await_start().await
    }

    /// Runs a command of its console.
    pub(crate) async fn command(&self, text: &str) -> anyhow::Result<()> {
        let client = self.console().await?;
        client
            .simple_query(text)
            .await
            .with_context(|| text.to_owned())?;
        Ok(())
    }

    async fn console(&self) -> anyhow::Result<Client> {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(CONSOLE_USER)
            .password(&self.password)
            .dbname("pgbouncer");
        node::connect(&config).await
    }

    async fn await_start(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() > deadline || !matches!(self.child.try_wait(), Ok(None)) {
                let log = std::fs::read(self.folder.join("log")).unwrap_or_default();
                bail!(
                    "PgBouncer does not start: {}",
                    String::from_utf8_lossy(&log)
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn spawn(folder: &std::path::Path) -> anyhow::Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    workplace::command(&program(), folder)
        .arg("pgbouncer.ini")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("cannot run pgbouncer")
}

fn version() -> anyhow::Result<String> {
    let output = Command::new(program())
        .arg("--version")
        .output()
        .context("cannot run pgbouncer")?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn program() -> PathBuf {
    ["/usr/sbin/pgbouncer", "/opt/homebrew/bin/pgbouncer"]
        .into_iter()
        .map(PathBuf::from)
        .find(|program| program.exists())
        .unwrap_or_else(|| PathBuf::from("pgbouncer"))
}
