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

/// What the supervisor does; see there for the words that it understands.
const SCRIPT: &str = include_str!("supervisor.sh");

/// How long the supervisor may take to stop everything; its own steps take up to 20 seconds.
const END_LIMIT: Duration = Duration::from_secs(25);

/// A supervisor with its command.
#[derive(Debug)]
pub(crate) struct Supervisor {
    process: Child,
    control: Option<ChildStdin>,
}

impl Supervisor {
    /// Runs the command under a supervisor, as the account, its output going to the server's log.
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
        // Left by a command before, and taken for the end of this one otherwise.
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
            // Messages in English and no surprises from the owner's settings for clients.
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

    /// The process id of the supervisor.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// How the command ended; `None` while it runs.
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

    /// Lets supervisor and command go on without the owner.
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

    /// Waits, but not for ever: what the supervisor leaves is dealt with by its caller.
    fn await_end(&mut self) {
        let deadline = Instant::now() + END_LIMIT;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The status as a shell gives it, in words.
fn describe(status: &str) -> String {
    match status.parse::<i32>() {
        Ok(status) if status > 128 => format!("was ended by signal {}", status - 128),
        Ok(status) => format!("ended with status {status}"),
        Err(_) => "ended".to_owned(),
    }
}
