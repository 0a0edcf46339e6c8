//! A real PgBouncer on generated files, for one test.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use neobank_db::{DatabaseConfig, Pooler};
use neobank_ops::pgbouncer::{
    HbaRule, HbaSource, PgbouncerConfig, PgbouncerUser, PoolDatabase, hba_file, userlist,
};
use tempfile::TempDir;

/// Runs as an unprivileged user in a folder of its own, and ends with this value, or with the
/// process of the tests.
pub(crate) struct Pgbouncer {
    child: Child,
    folder: TempDir,
    port: u16,
}

/// From this machine, not through the socket.
pub(crate) const LOOPBACK: HbaSource = HbaSource::Network {
    address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
    bits: 8,
};

/// Debian's `nobody`: PgBouncer refuses to run as root.
const NOBODY: u32 = 65_534;

/// Ends PgBouncer when its input ends, also by the death of the tests' process.
const KEEPER: &str = "\"$0\" pgbouncer.ini 2>log & pgbouncer=$!; read -r end; kill -TERM $pgbouncer; wait $pgbouncer";

impl Pgbouncer {
    pub(crate) const CONSOLE_USER: &str = "watcher";
    pub(crate) const CONSOLE_PASSWORD: &str = "of the \"console\"";

    /// Returns the version on this machine.
    pub(crate) fn version() -> String {
        let output = Command::new(program()).arg("--version").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().next().unwrap().to_owned()
    }

    /// Starts a PgBouncer in front of the server of `server`, with these databases, users, and the
    /// test's changes.
    pub(crate) fn start(
        server: &DatabaseConfig,
        database: &str,
        users: &[PgbouncerUser],
        change: impl FnOnce(&mut PgbouncerConfig),
    ) -> Self {
        Self::start_with_text(server, database, users, change, |text| text)
    }

    /// As [`Self::start`], with another text than the generated one.
    pub(crate) fn start_with_text(
        server: &DatabaseConfig,
        database: &str,
        users: &[PgbouncerUser],
        change: impl FnOnce(&mut PgbouncerConfig),
        edit: impl FnOnce(String) -> String,
    ) -> Self {
        let everyone = [HbaSource::Socket, LOOPBACK].map(HbaRule::new);
        Self::start_with_rules(server, database, users, &everyone, change, edit)
    }

    /// As [`Self::start_with_text`], for clients that match these rules.
    pub(crate) fn start_with_rules(
        server: &DatabaseConfig,
        database: &str,
        users: &[PgbouncerUser],
        rules: &[HbaRule],
        change: impl FnOnce(&mut PgbouncerConfig),
        edit: impl FnOnce(String) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).display().to_string();
        let port = free_port();
        let mut backend = PoolDatabase::new("bank", &server.hosts[0], server.ports[0]);
        backend.database = database.to_owned();
        let mut config = PgbouncerConfig::new(Self::version().parse().unwrap(), backend);
        config.listen_port = port;
        config.unix_socket_dir = Some(folder.path().display().to_string());
        config.auth_file = place("userlist.txt");
        config.auth_hba_file = Some(place("hba.conf"));
        config.stats_users = vec![Self::CONSOLE_USER.to_owned()];
        config.max_client_conn = 100;
        config.file_descriptors = 1024;
        change(&mut config);
        let mut users = users.to_vec();
        users.push(PgbouncerUser::new(
            Self::CONSOLE_USER,
            Self::CONSOLE_PASSWORD,
        ));
        for (name, text) in [
            ("pgbouncer.ini", edit(config.ini().unwrap())),
            ("userlist.txt", userlist(&users).unwrap()),
            ("hba.conf", hba_file(rules).unwrap()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self::run(folder, port)
    }

    fn run(folder: TempDir, port: u16) -> Self {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", KEEPER, program()])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            give_away(folder.path());
            command.uid(NOBODY).gid(NOBODY);
        }
        let child = command.spawn().unwrap();
        let started = Self {
            child,
            folder,
            port,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = started.log();
            assert!(
                !log.contains("FATAL") && Instant::now() < deadline,
                "PgBouncer did not start:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        started
    }

    /// Returns its log so far.
    pub(crate) fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = std::fs::File::open(self.folder.path().join("log")) {
            file.read_to_end(&mut text).unwrap();
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Points a configuration here, in transaction mode.
    pub(crate) fn stand_before(&self, config: &mut DatabaseConfig) {
        config.hosts = vec!["127.0.0.1".to_owned()];
        config.ports = vec![self.port];
        config.database = "bank".to_owned();
        config.pooler = Pooler::Transaction;
    }

    /// Returns the configuration of its console.
    pub(crate) fn console(&self) -> DatabaseConfig {
        let url = format!(
            "postgresql://{}@127.0.0.1:{}/bank",
            Self::CONSOLE_USER,
            self.port
        );
        DatabaseConfig::from_url(&url)
            .unwrap()
            .with_password(Self::CONSOLE_PASSWORD)
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn program() -> &'static str {
    ["/usr/sbin/pgbouncer", "/opt/homebrew/bin/pgbouncer"]
        .into_iter()
        .find(|program| Path::new(program).exists())
        .unwrap_or("pgbouncer")
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn give_away(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        chown(file, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
}
