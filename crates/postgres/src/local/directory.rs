//! The folder of one server, and the locks by which others see whether anybody looks after it.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Uid;

use crate::StartError;
use crate::error::system;

use super::{Account, stray};

/// How the names of servers' folders begin.
const PREFIX: &str = "neobank-postgres-";

/// How the names of folders begin whose locks are not held yet.
const DRAFT_PREFIX: &str = ".neobank-postgres-";

/// How old a draft is at least when its maker must be dead: making it takes milliseconds.
const STALE_DRAFT: Duration = Duration::from_secs(3600);

/// Held by the process that started the server.
const OWNER_LOCK: &str = "owner.lock";

/// Held by the supervisor and whoever started it.
const SUPERVISOR_LOCK: &str = "supervisor.lock";

/// A server's folder: data, socket, log and locks in one place.
///
/// The system frees a lock when its last holder ends, however it ends. A folder with both locks
/// free is stale, and no process id needs to be trusted for that.
#[derive(Debug)]
pub(crate) struct ServerDirectory {
    path: PathBuf,
    user: u32,
    _owner: File,
    supervisor: File,
}

impl ServerDirectory {
    /// Makes a new folder in `parent` that only the account (and root) can enter.
    pub(crate) fn create(parent: &Path, account: &Account) -> Result<Self, StartError> {
        // Others look only at folders with the final name: it gets that when its locks are held.
        let draft = tempfile::Builder::new()
            .prefix(DRAFT_PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(system("create a folder in", parent))?;
        let owner = held(&draft.path().join(OWNER_LOCK))?;
        let supervisor = held(&draft.path().join(SUPERVISOR_LOCK))?;
        let socket = draft.path().join("socket");
        fs::create_dir(&socket)
            .and_then(|()| fs::set_permissions(&socket, Permissions::from_mode(0o700)))
            .and_then(|()| account.give(&socket))
            .and_then(|()| account.give(draft.path()))
            .map_err(system("prepare the folder", draft.path()))?;
        let name = draft
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let path = parent.join(name.trim_start_matches('.'));
        fs::rename(draft.path(), &path).map_err(system("rename the folder to", &path))?;
        // Not on disk under that name any more.
        let _ = draft.keep();
        Ok(Self {
            path,
            user: account.user(),
            _owner: owner,
            supervisor,
        })
    }

    /// Takes over the folder if it is a server's, belongs to the account, and nobody looks after
    /// it any more.
    pub(crate) fn adopt_stale(path: &Path, account: &Account) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy();
        // Not following links: what a link names is not ours.
        let facts = fs::symlink_metadata(path).ok()?;
        if !name.starts_with(PREFIX) || !facts.is_dir() || facts.uid() != account.user() {
            return None;
        }
        Some(Self {
            path: path.to_owned(),
            user: account.user(),
            _owner: free(&path.join(OWNER_LOCK))?,
            supervisor: free(&path.join(SUPERVISOR_LOCK))?,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The user id of the server's account.
    pub(crate) fn user(&self) -> u32 {
        self.user
    }

    /// The folder of the database cluster.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// The folder of the Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    /// What `initdb` and the server write.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// How the supervised command ended; written by the supervisor.
    pub(crate) fn exit_status(&self) -> PathBuf {
        self.path.join("exit-status")
    }

    /// The held lock, to be handed to a supervisor.
    pub(crate) fn supervisor_lock(&self) -> io::Result<File> {
        self.supervisor.try_clone()
    }

    /// The last lines of the log.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log()).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// Stops a server that still runs here and removes the folder with everything in it.
    pub(crate) fn destroy(&self) -> io::Result<()> {
        stray::stop(&self.data(), self.user);
        // The locks go last: a folder without them would never be known for a stale one.
        remove(&self.data())?;
        remove(&self.path)
    }
}

/// Removes the folder if it is a draft, of our or the server's account, whose maker must be dead.
pub(crate) fn remove_stale_draft(path: &Path, account: &Account) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Ok(facts) = fs::symlink_metadata(path) else {
        return;
    };
    let ours = [account.user(), Uid::effective().as_raw()].contains(&facts.uid());
    let age = facts.modified().ok().and_then(|time| time.elapsed().ok());
    if name.starts_with(DRAFT_PREFIX) && facts.is_dir() && ours && age > Some(STALE_DRAFT) {
        // Left to the next time otherwise.
        let _ = fs::remove_dir_all(path);
    }
}

/// Removes a folder with everything in it, if it is there.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A new file, locked.
fn held(path: &Path) -> Result<File, StartError> {
    let file = File::create_new(path).map_err(system("create", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(system("lock", path)(io::ErrorKind::WouldBlock.into()))
        }
        Err(TryLockError::Error(error)) => Err(system("lock", path)(error)),
    }
}

/// The file, locked, if nobody else holds its lock.
fn free(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

/// The last lines of a file, at most 4 KiB of them.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(20)..].join("\n"))
}
