//! A service over HTTP made in the classic way, as a baseline: Node.js, row locks, and a transaction
//! for each request.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use uuid::Uuid;

use super::client::Client;
use super::service::transfer;
use crate::error::BenchError;
use crate::host::Host;
use crate::load::{Moved, Mover};

/// The files of the service. The driver comes from the registry of npm.
const FILES: [(&str, &str); 3] = [
    (
        "package.json",
        include_str!("../../classic-service/package.json"),
    ),
    (
        "package-lock.json",
        include_str!("../../classic-service/package-lock.json"),
    ),
    (
        "server.mjs",
        include_str!("../../classic-service/server.mjs"),
    ),
];

/// The service's processes, which end with this value, and its clients.
pub(crate) struct ClassicService {
    client: Client,
    _child: Child,
    // The service ends when this end of its input does.
    _input: Option<ChildStdin>,
    _folder: TempDir,
}

impl ClassicService {
    /// Installs the service's driver, and starts a process of it for each processor.
    pub(crate) async fn start(host: &Host, connections: usize) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(failed)?;
        for (name, text) in FILES {
            std::fs::write(folder.path().join(name), text).map_err(failed)?;
        }
        let install = Command::new("npm")
            .args(["ci", "--silent", "--no-audit", "--no-fund"])
            .current_dir(folder.path())
            .output()
            .await
            .map_err(|error| failed(format!("npm, which comes with Node.js: {error}")))?;
        if !install.status.success() {
            return Err(failed(String::from_utf8_lossy(&install.stderr)));
        }
        let token = Uuid::now_v7().simple().to_string();
        let processes = std::thread::available_parallelism().map_or(1, usize::from);
        let mut child = Command::new("node")
            .arg("server.mjs")
            .current_dir(folder.path())
            .env("CLASSIC_URL", &host.url)
            .env("CLASSIC_TOKEN", &token)
            .env("CLASSIC_PROCESSES", processes.to_string())
            .env("CLASSIC_CONNECTIONS", connections.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("node: {error}")))?;
        let output = child.stdout.take().map(BufReader::new);
        let mut port = String::new();
        if let Some(mut output) = output {
            output.read_line(&mut port).await.map_err(failed)?;
        }
        let port: u16 = port
            .trim()
            .parse()
            .map_err(|_| failed("the service did not start"))?;
        Ok(Self {
            client: Client::new(format!("127.0.0.1:{port}"), &token),
            _input: child.stdin.take(),
            _child: child,
            _folder: folder,
        })
    }
}

impl Mover for ClassicService {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<Moved, BenchError> {
        let key = key.unwrap_or_else(|| Uuid::now_v7().simple().to_string());
        self.client
            .send("/v1/transfers", Some(&key), &transfer(from, to)?)
            .await?;
        Ok(Moved::ONE)
    }
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::other("classic-service", error)
}
