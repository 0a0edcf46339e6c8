//! A primary and its streaming standby that a test stops, starts and promotes.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseConfig, Executor, TargetSessionAttrs, statement};
use neobank_postgres::{Durability, LocalServer, ServerOptions};
use tempfile::TempDir;

use super::pgbouncer::free_port;

/// One server; it ends with this value, or with the process of the tests.
pub(crate) struct Node {
    programs: PathBuf,
    folder: TempDir,
    account: Option<(u32, u32)>,
    url: String,
    port: u16,
    settings: Vec<(String, String)>,
    child: Option<Child>,
}

/// Ends the server when its input ends, also by the death of the tests' process.
const KEEPER: &str =
    "\"$0\" \"$@\" >>log 2>&1 & server=$!; read -r end; kill -INT $server; wait $server";

/// Creates a primary, and a standby that follows it.
pub(crate) async fn pair(version: u32) -> [Node; 2] {
    tokio::task::spawn_blocking(move || {
        let source = ServerOptions::default()
            .version(Some(version))
            .durability(Durability::Fast)
            .start()
            .unwrap();
        let primary = Node::copy(programs(&source), source.url(), false, Vec::new());
        let standby = Node::copy(programs(&source), &primary.url, true, Vec::new());
        [primary, standby]
    })
    .await
    .unwrap()
}

/// Returns the folder of a server's programs.
pub(super) fn programs(server: &LocalServer) -> PathBuf {
    server.bin_directory().unwrap().to_owned()
}

/// Returns the same URL with another port.
pub(super) fn on_port(url: &str, port: u16) -> String {
    let old = DatabaseConfig::from_url(url).unwrap().ports[0];
    url.replacen(&format!(":{old}/"), &format!(":{port}/"), 1)
}

impl Node {
    /// Starts a copy of the server at `from`, with these settings beside those in that server's
    /// files. With `follows`, it is a standby of that server.
    pub(super) fn copy(
        programs: PathBuf,
        from: &str,
        follows: bool,
        settings: Vec<(String, String)>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        // An unprivileged account, as PostgreSQL requires; its name does not matter.
        let account = is_root.then_some((65_534, 65_534));
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let port = free_port();
        let url = on_port(from, port);
        let mut node = Self {
            programs,
            folder,
            account,
            url,
            port,
            settings,
            child: None,
        };
        let mut copy = node.by_the_account(&node.programs.join("pg_basebackup"));
        copy.args(["--checkpoint=fast", "--no-sync", "-D", "data", "-d", from]);
        if follows {
            copy.arg("-R");
        }
        let copied = copy.output().unwrap();
        let said = String::from_utf8_lossy(&copied.stderr).into_owned();
        assert!(copied.status.success(), "{said}");
        node.start();
        node
    }

    fn by_the_account(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts the server, and returns when it accepts connections.
    pub(crate) fn start(&mut self) {
        let mut arguments = vec!["-D".to_owned(), "data".to_owned()];
        for (name, value) in [
            ("port", self.port.to_string()),
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("unix_socket_directories", String::new()),
            ("fsync", "off".to_owned()),
            ("logging_collector", "off".to_owned()),
        ] {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        for (name, value) in &self.settings {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let child = self
            .by_the_account(Path::new("/bin/sh"))
            .args(["-c", KEEPER])
            .arg(self.programs.join("postgres"))
            .args(&arguments)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(60);
        let is_ready = self.programs.join("pg_isready");
        loop {
            let mut command = self.by_the_account(&is_ready);
            command.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if command.status().unwrap().success() {
                return;
            }
            assert!(Instant::now() < deadline, "no server:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server as an administrator does, and waits for its end.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    /// Lets it follow another server from its next start on.
    pub(crate) fn follow(&self, other: &Self) {
        let data = self.folder.path().join("data");
        let conninfo = format!("\nprimary_conninfo = '{}'\n", other.url);
        let file = data.join("postgresql.auto.conf");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text + &conninfo).unwrap();
        let signal = data.join("standby.signal");
        std::fs::write(&signal, "").unwrap();
        if let Some((user, group)) = self.account {
            chown(signal, Some(user), Some(group)).unwrap();
        }
    }

    /// Connects to this server alone, as its superuser.
    pub(crate) async fn superuser(&self) -> Database {
        let mut config = DatabaseConfig::from_url(&self.url).unwrap();
        config.target_session_attrs = TargetSessionAttrs::Any;
        config.pool_max = 1;
        Database::connect(config).await.unwrap()
    }

    /// Returns the first column of the first row of a query on this server.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let database = self.superuser().await;
        database.fetch_value(statement(sql, [])).await.unwrap()
    }

    pub(super) fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = std::fs::File::open(self.folder.path().join("log")) {
            file.read_to_end(&mut text).unwrap();
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Returns its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of its superuser.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}
