//! The account that the server runs as.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User};

use crate::StartError;

/// The accounts that a root owner's server may run as, the best first.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// An account of this machine, never root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    name: String,
    user: u32,
    group: u32,
    /// `true` if it is not the current account.
    switches: bool,
}

impl Account {
    /// Returns the current account or, since PostgreSQL refuses to run as root, an unprivileged one
    /// for root.
    pub(crate) fn of_server() -> Result<Self, StartError> {
        let own = Uid::effective();
        if !own.is_root() {
            let name = User::from_uid(own).ok().flatten().map(|user| user.name);
            return Ok(Self {
                name: name.unwrap_or_else(|| own.to_string()),
                user: own.as_raw(),
                group: nix::unistd::Gid::effective().as_raw(),
                switches: false,
            });
        }
        UNPRIVILEGED
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .filter(|user| !user.uid.is_root())
            .map(|user| Self {
                name: user.name,
                user: user.uid.as_raw(),
                group: user.gid.as_raw(),
                switches: true,
            })
            .ok_or(StartError::NoAccount)
    }

    /// Returns the user id.
    pub(crate) fn user(&self) -> u32 {
        self.user
    }

    /// Returns user and group id if it is not the current account.
    pub(crate) fn switched(&self) -> Option<(u32, u32)> {
        self.switches.then_some((self.user, self.group))
    }

    /// Removes a folder with its contents, if it exists, with the rights of this account.
    ///
    /// The account can put a symbolic link in the place of any folder on the path; with root's
    /// rights, that would remove files that the account may not.
    pub(crate) fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        if !self.switches {
            return match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let output = self
            .command("/bin/rm")
            .args(["-rf", "--"])
            .arg(folder)
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(said.trim().to_owned()))
    }

    /// Builds a command that runs as this account, in a process group of its own so that a Ctrl-C
    /// in the owner's terminal does not reach it, and from a folder that every account can enter.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if self.switches {
            command.uid(self.user).gid(self.group);
        }
        command.process_group(0).current_dir("/");
        command
    }

    /// Makes this account the owner of the file or folder.
    pub(crate) fn give(&self, path: &Path) -> io::Result<()> {
        if self.switches {
            chown(path, Some(self.user), Some(self.group))?;
        }
        Ok(())
    }

    /// Checks that this account can enter the folder.
    pub(crate) fn must_enter(&self, folder: &Path) -> Result<(), StartError> {
        self.must(folder, "enter", "cd -- \"$1\"")
    }

    /// Checks that this account can create and remove folders in the folder.
    pub(crate) fn must_write(&self, folder: &Path) -> Result<(), StartError> {
        self.must(folder, "write to", "cd -- \"$1\" && test -w .")
    }

    /// Checks by trial, because the rights on every folder above count.
    fn must(&self, folder: &Path, need: &'static str, script: &str) -> Result<(), StartError> {
        let status = self
            .command("/bin/sh")
            .args(["-c", script, "sh"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|source| StartError::NoSwitch {
                account: self.name.clone(),
                source,
            })?;
        if status.success() {
            return Ok(());
        }
        Err(StartError::NotReachable {
            path: folder.to_owned(),
            account: self.name.clone(),
            need,
        })
    }
}
