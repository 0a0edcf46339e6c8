//! A small shell process between owner and server that outlives the owner to stop the server.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::StartError;
use crate::error::system;

use super::Account;
use super::directory::ServerDirectory;

/// The supervisor's script, which documents the commands that it understands.
const SCRIPT: &str = include_str!("supervisor.sh");

/// The limit of the supervisor's shutdown; its own steps take up to 20 seconds.
const END_LIMIT: Duration = Duration::from_secs(25);

/// A supervisor with its command.
#[derive(Debug)]
pub(crate) struct Supervisor {
    process: Child,
    control: Option<ChildStdin>,
}

impl Supervisor {
    /// Runs the command under a supervisor, as the account, with its output in the server's log.
    pub(crate) fn start(
        directory: &ServerDirectory,
        account: &Account,
        program: &Path,
        arguments: &[OsString],
    ) -> Result<Self, StartError> {
        let shell = Path::new("/bin/sh");
        let lock = directory
            .supervisor_lock()
            .map_err(system("share the lock of", directory.path()))?;
        let folder = directory
            .folder_lock()
            .map_err(system("share the lock of", directory.path()))?;
        // The status of an earlier command would be taken for that of this one.
        directory.remove_exit_status();
        let mut process = account
            .command(shell)
            .args([
                OsStr::new("-c"),
                OsStr::new(SCRIPT),
                OsStr::new("neobank-postgres-supervisor"),
            ])
            .arg(directory.path())
            .arg(program)
            .args(arguments)
            // Messages are in English, and the owner's settings for clients have no effect.
            .env("LC_ALL", "C")
            .env_remove("PGDATA")
            .env_remove("PGPORT")
            .stdin(Stdio::piped())
            .stdout(lock)
            // The supervisor keeps the folder locked after its owner; it writes nothing there.
            .stderr(folder)
            .spawn()
            .map_err(system("run", shell))?;
        let control = process.stdin.take();
        Ok(Self { process, control })
    }

    /// Returns the process id of the supervisor.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the command's exit status; `None` while it runs.
    pub(crate) fn outcome(&mut self, directory: &ServerDirectory) -> Option<String> {
        if let Some(status) = directory.exit_status() {
            return Some(describe(status.trim()));
        }
        match self.process.try_wait() {
            Ok(Some(status)) => Some(format!("lost its supervisor ({status})")),
            _ => None,
        }
    }

    /// Ends the supervisor, whose command has ended, and leaves the folder.
    pub(crate) fn release(mut self) {
        let _ = self.say("release");
        self.await_end();
    }

    /// Leaves supervisor and command running without the owner.
    pub(crate) fn keep(mut self) -> std::io::Result<()> {
        self.say("keep")
    }

    /// Stops the command; the supervisor removes the folder and ends.
    pub(crate) fn end(mut self) {
        self.control = None;
        self.await_end();
    }

    fn say(&mut self, word: &str) -> std::io::Result<()> {
        match &mut self.control {
            Some(control) => writeln!(control, "{word}"),
            None => Ok(()),
        }
    }

    /// Waits with a limit; the caller handles what the supervisor has left.
    fn await_end(&mut self) {
        let deadline = Instant::now() + END_LIMIT;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Describes the status of a shell in words.
fn describe(status: &str) -> String {
    match status.parse::<i32>() {
        Ok(status) if status > 128 => format!("was ended by signal {}", status - 128),
        Ok(status) => format!("ended with status {status}"),
        Err(_) => "ended".to_owned(),
    }
}
