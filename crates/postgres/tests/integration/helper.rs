//! The command `local-postgres` as an owner in a process of its own, which can be killed.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::{server_folder, server_process};

/// A running owner with its server.
pub(crate) struct Owner {
    process: Child,
    pub(crate) url: String,
    pub(crate) origin: String,
    pub(crate) folder: PathBuf,
    pub(crate) server: i32,
}

/// Builds the command, with an environment without settings of servers. It receives Ctrl-C as in a
/// terminal, also when the tests run in the background of a shell, where it would be ignored.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/env");
    without_variables(&mut command)
        .arg("--default-signal=INT")
        .arg(env!("CARGO_BIN_EXE_local-postgres"))
        .args(arguments);
    command
}

/// Builds the same command below a shell that ignores Ctrl-C, as its child processes then do too.
pub(crate) fn command_ignoring_interrupts(arguments: &[&str]) -> Command {
    let mut command = Command::new("/bin/sh");
    without_variables(&mut command)
        .args(["-c", "trap '' INT; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_local-postgres"))
        .args(arguments);
    command
}

/// Returns the error output of a command that must fail.
pub(crate) fn failure(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "it started: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

impl Owner {
    /// Runs the command in a process group of its own, as a terminal does, and waits for the URL.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (Some(url), Some(origin)) = (lines.next(), lines.next()) else {
            let mut text = String::new();
            process
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            panic!("no server: {text}");
        };
        let url = url.unwrap();
        let folder = server_folder(&url);
        Self {
            server: server_process(&folder),
            process,
            url,
            origin: origin.unwrap(),
            folder,
        }
    }

    /// Starts an owner of a fast server whose folder is in `parent`. With a parent of its own, no
    /// start of another test removes its folders.
    pub(crate) fn fast(parent: &Path) -> Self {
        Self::start(command(&["--fast", "--data-parent"]).arg(parent))
    }

    /// Sends the signal to the owner's whole group, as Ctrl-C does.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let group = i32::try_from(self.process.id()).unwrap();
        kill(Pid::from_raw(-group), signal).unwrap();
    }

    /// Kills only the owner.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.wait();
    }

    pub(crate) fn wait(&mut self) {
        self.process.wait().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // For a test that failed half-way; otherwise it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn without_variables(command: &mut Command) -> &mut Command {
    for variable in ["NEOBANK_TEST_DATABASE_URL", "PG_BIN"] {
        command.env_remove(variable);
    }
    command
}
