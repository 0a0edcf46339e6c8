//! A streaming standby of a local server.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_postgres::LocalServer;
use tempfile::TempDir;

use super::pgbouncer::free_port;

/// A hot standby that follows its primary; it ends with this value, or with the process of the
/// tests.
pub(crate) struct Standby {
    child: Child,
    folder: TempDir,
    port: u16,
}

/// Ends the server when its input ends, which the death of the tests' process does as well.
const KEEPER: &str =
    "\"$0\" \"$@\" >log 2>&1 & server=$!; read -r end; kill -INT $server; wait $server";

impl Standby {
    /// A copy of the primary, with these settings beside those that the primary has in its files.
    pub(crate) async fn of(primary: &LocalServer, settings: &[(&str, &str)]) -> Self {
        let config = DatabaseConfig::from_url(primary.url()).unwrap();
        let database = Database::connect(config).await.unwrap();
        let data: String = database
            .fetch_value(statement("SHOW data_directory", []))
            .await
            .unwrap();
        let (programs, url) = (primary.bin_directory().unwrap().to_owned(), primary.url());
        let (url, settings) = (url.to_owned(), owned(settings));
        tokio::task::spawn_blocking(move || start(&programs, &url, Path::new(&data), settings))
            .await
            .unwrap()
    }

    /// The URL of a database of the primary, on this server.
    pub(crate) fn url(&self, on_the_primary: &str) -> String {
        let port = DatabaseConfig::from_url(on_the_primary).unwrap().ports[0];
        on_the_primary.replacen(&format!(":{port}/"), &format!(":{}/", self.port), 1)
    }

    /// Waits until everything that the primary has written so far is visible here.
    pub(crate) async fn follow(&self, primary: &LocalServer) {
        let connect = async |url: &str| {
            Database::connect(DatabaseConfig::from_url(url).unwrap())
                .await
                .unwrap()
        };
        let written: String = connect(primary.url())
            .await
            .fetch_value(statement("SELECT pg_current_wal_insert_lsn()::text", []))
            .await
            .unwrap();
        let here = connect(&self.url(primary.url())).await;
        let sql = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)";
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let is_here: bool = here
                .fetch_value(statement(sql, [written.clone().into()]))
                .await
                .unwrap();
            if is_here {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the standby lags: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = std::fs::File::open(self.folder.path().join("log")) {
            file.read_to_end(&mut text).unwrap();
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn start(programs: &Path, url: &str, data: &Path, settings: Vec<(String, String)>) -> Standby {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("data");
    let account = std::fs::metadata(data).unwrap();
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if is_root {
        chown(folder.path(), Some(account.uid()), Some(account.gid())).unwrap();
    }
    // The account of the primary, which may read its files.
    let by_the_account = |program: &Path| {
        let mut command = Command::new(program);
        command.current_dir(folder.path());
        if is_root {
            command.uid(account.uid()).gid(account.gid());
        }
        command
    };
    let copied = by_the_account(&programs.join("pg_basebackup"))
        .args(["-R", "--checkpoint=fast", "--no-sync", "-D"])
        .arg(&copy)
        .args(["-d", url])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&copied.stderr).into_owned();
    assert!(copied.status.success(), "{said}");
    let port = free_port();
    let mut arguments = vec!["-D".to_owned(), copy.display().to_string()];
    let own = [
        ("port".to_owned(), port.to_string()),
        ("listen_addresses".to_owned(), "127.0.0.1".to_owned()),
        ("unix_socket_directories".to_owned(), String::new()),
        ("fsync".to_owned(), "off".to_owned()),
        ("max_connections".to_owned(), "200".to_owned()),
    ];
    for (name, value) in own.into_iter().chain(settings) {
        arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
    }
    let child = by_the_account(Path::new("/bin/sh"))
        .args(["-c", KEEPER])
        .arg(programs.join("postgres"))
        .args(&arguments)
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let standby = Standby {
        child,
        folder,
        port,
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !standby
        .log()
        .contains("ready to accept read-only connections")
    {
        assert!(Instant::now() < deadline, "no standby:\n{}", standby.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    standby
}

impl Drop for Standby {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
