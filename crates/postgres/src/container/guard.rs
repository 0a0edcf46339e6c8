//! A small shell process that removes a container when its owner is killed.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// The owner holds the other end of standard input, which closes however the owner ends. Any line
/// on it means that the container is already removed.
const SCRIPT: &str = "\
    read -r word && exit
    docker rm --force --volumes \"$1\"";

/// The process that waits for the owner's end.
pub(crate) struct Guard {
    process: Child,
}

impl Guard {
    /// Starts to guard the container of that name, which need not exist yet.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let process = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "neobank-postgres-guard", name])
            // A Ctrl-C in the owner's terminal must not end it.
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { process })
    }

    /// Ends the guard without removing the container.
    pub(crate) fn stand_down(mut self) {
        if let Some(mut control) = self.process.stdin.take() {
            // It fails only if the guard has ended already.
            let _ = writeln!(control, "done");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Standard input is closed first, because the guard ends only then; waiting for it leaves
        // no zombie.
        self.process.stdin = None;
        let _ = self.process.wait();
    }
}
