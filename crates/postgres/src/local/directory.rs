//! The folder of one server, and the locks that show whether its owner and supervisor live.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Uid;

use crate::StartError;
use crate::error::system;

use super::folder::Folder;
use super::{Account, stray};

/// The prefix of the names of servers' folders.
const PREFIX: &str = "neobank-postgres-";

/// The prefix of the names of folders whose locks are not held yet.
const DRAFT_PREFIX: &str = ".neobank-postgres-";

/// The age from which the creator of a draft must be dead: creation takes milliseconds.
const STALE_DRAFT: Duration = Duration::from_secs(3600);

/// Held by the process that started the server.
const OWNER_LOCK: &str = "owner.lock";

/// Held by the supervisor and the process that started it.
const SUPERVISOR_LOCK: &str = "supervisor.lock";

/// The file from which `initdb` reads the superuser's password.
const PASSWORD: &str = "password";

/// The file into which `initdb` and the server write.
const LOG: &str = "server.log";

/// The file into which the supervisor writes its command's exit status.
const EXIT_STATUS: &str = "exit-status";

/// The longest path of a Unix socket that every supported system accepts, in bytes: macOS allows
/// 103, Linux 107.
const SOCKET_PATH_MAX: usize = 103;

/// The number of bytes of the log in an error.
const LOG_BYTES: u64 = 4096;

/// The limit of a file with a few short lines, in bytes.
const STATUS_BYTES: u64 = 4096;

/// A server's folder: data, socket, log and locks in one place.
///
/// The system releases a lock when its last holder ends, for whatever reason. A folder with both
/// locks free is stale; no process id is needed to decide that.
#[derive(Debug)]
pub(crate) struct ServerDirectory {
    path: PathBuf,
    folder: Folder,
    account: Account,
    _owner: File,
    supervisor: File,
}

impl ServerDirectory {
    /// Creates a folder in `parent` that only the account (and root) can enter, with the
    /// superuser's password in it.
    ///
    /// Root writes everything before the account gets the folder: afterwards a name in it can lead
    /// anywhere.
    pub(crate) fn create(
        parent: &Path,
        account: &Account,
        password: &str,
    ) -> Result<Self, StartError> {
        // Other processes ignore folders without the final name, which the folder gets when its
        // locks are held.
        let draft = tempfile::Builder::new()
            .prefix(DRAFT_PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(system("create a folder in", parent))?;
        let prepare = |error| system("prepare the folder", draft.path())(error);
        let folder = Folder::open(draft.path()).map_err(prepare)?;
        let owner = held(&folder, draft.path(), OWNER_LOCK)?;
        let supervisor = held(&folder, draft.path(), SUPERVISOR_LOCK)?;
        let socket = draft.path().join("socket");
        write_password(&folder, account, password)
            .and_then(|()| fs::create_dir(&socket))
            .and_then(|()| fs::set_permissions(&socket, Permissions::from_mode(0o700)))
            .and_then(|()| account.give(&socket))
            // The system's cleaner of old temporary files skips a locked folder.
            .and_then(|()| folder.handle().lock_shared())
            .and_then(|()| account.give(draft.path()))
            .map_err(prepare)?;
        let name = draft
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let path = parent.join(name.trim_start_matches('.'));
        fs::rename(draft.path(), &path).map_err(system("rename the folder to", &path))?;
        // The draft's name no longer exists on disk.
        let _ = draft.keep();
        Ok(Self {
            path,
            folder,
            account: account.clone(),
            _owner: owner,
            supervisor,
        })
    }

    /// Adopts the folder if it is a server's, belongs to the account, and both of its locks are
    /// free.
    pub(crate) fn adopt_stale(path: &Path, account: &Account) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy();
        // Links are not followed, because their target may belong to another account.
        let facts = fs::symlink_metadata(path).ok()?;
        if !name.starts_with(PREFIX) || !facts.is_dir() || facts.uid() != account.user() {
            return None;
        }
        let folder = Folder::open(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            account: account.clone(),
            _owner: free(&folder, OWNER_LOCK)?,
            supervisor: free(&folder, SUPERVISOR_LOCK)?,
            folder,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the user id of the server's account.
    pub(crate) fn user(&self) -> u32 {
        self.account.user()
    }

    /// Returns the folder of the database cluster.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Returns the folder of the Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    /// Returns the file with the superuser's password, until `initdb` has read it.
    pub(crate) fn password(&self) -> PathBuf {
        self.path.join(PASSWORD)
    }

    /// Removes the file with the password.
    pub(crate) fn remove_password(&self) -> io::Result<()> {
        self.folder.remove(PASSWORD)
    }

    /// Removes the log of `initdb` and the server.
    pub(crate) fn remove_log(&self) {
        let _ = self.folder.remove(LOG);
    }

    /// Returns the exit status of the supervised command, as the supervisor wrote it; `None` while
    /// it runs.
    pub(crate) fn exit_status(&self) -> Option<String> {
        let read = |name| self.folder.tail_of(&[], name, self.user(), STATUS_BYTES);
        read(EXIT_STATUS).ok()
    }

    /// Removes the exit status of an earlier command.
    pub(crate) fn remove_exit_status(&self) {
        let _ = self.folder.remove(EXIT_STATUS);
    }

    /// Returns the server's own file with its process id and its state, empty if there is none.
    pub(crate) fn server_status(&self) -> String {
        self.folder
            .tail_of(&["data"], "postmaster.pid", self.user(), STATUS_BYTES)
            .unwrap_or_default()
    }

    /// Returns the held lock, for a supervisor.
    pub(crate) fn supervisor_lock(&self) -> io::Result<File> {
        self.supervisor.try_clone()
    }

    /// Returns the locked folder, for a supervisor.
    pub(crate) fn folder_lock(&self) -> io::Result<File> {
        self.folder.handle().try_clone()
    }

    /// Returns the last lines of the log, or the free space of the disk if there are none.
    pub(crate) fn log_tail(&self) -> String {
        match self.folder.tail_of(&[], LOG, self.user(), LOG_BYTES) {
            Ok(text) if !text.trim().is_empty() => last_lines(&text),
            Ok(_) => format!("(the log is empty; {})", self.room()),
            Err(error) => format!("(no log: {error}; {})", self.room()),
        }
    }

    /// Returns the free space of the folder's disk in words.
    fn room(&self) -> String {
        match nix::sys::statvfs::fstatvfs(self.folder.handle()) {
            Ok(facts) => {
                let bytes = facts
                    .blocks_available()
                    .saturating_mul(facts.fragment_size());
                let shown = self.path.display();
                format!("the disk of {shown} has {} kB left", bytes / 1024)
            }
            Err(error) => format!(
                "the free space of {} is unknown: {error}",
                self.path.display()
            ),
        }
    }

    /// Stops a server that still runs here and removes the folder with its contents.
    pub(crate) fn destroy(&self) -> io::Result<()> {
        stray::stop(self);
        // The locks go last: without them the folder would never be recognized as stale.
        self.account.remove_folder(&self.data())?;
        self.account.remove_folder(&self.path)
    }
}

/// Fails if a Unix socket of a server cannot lie in a folder of `parent`.
pub(crate) fn check_socket_path(parent: &Path) -> Result<(), StartError> {
    let reject = |reason: String| StartError::SocketFolder {
        path: parent.to_owned(),
        reason,
    };
    // As long as every name: the prefix with six random characters.
    let socket = parent.join(format!("{PREFIX}123456/socket/.s.PGSQL.5432"));
    let length = socket.as_os_str().len();
    if length > SOCKET_PATH_MAX {
        return Err(reject(format!(
            "the path of the socket would have {length} bytes, and systems take \
             {SOCKET_PATH_MAX}"
        )));
    }
    if parent.as_os_str().as_encoded_bytes().contains(&b',') {
        return Err(reject(
            "its name has a comma, which separates hosts in PostgreSQL's URLs".to_owned(),
        ));
    }
    Ok(())
}

/// Removes the folder if it is a draft of the current or the server's account whose creator must be
/// dead.
pub(crate) fn remove_stale_draft(path: &Path, account: &Account) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Ok(facts) = fs::symlink_metadata(path) else {
        return;
    };
    let ours = [account.user(), Uid::effective().as_raw()].contains(&facts.uid());
    let age = facts.modified().ok().and_then(|time| time.elapsed().ok());
    if name.starts_with(DRAFT_PREFIX) && facts.is_dir() && ours && age > Some(STALE_DRAFT) {
        // On failure the next start tries again.
        let _ = fs::remove_dir_all(path);
    }
}

fn write_password(folder: &Folder, account: &Account, password: &str) -> io::Result<()> {
    let mut file = folder.create(PASSWORD)?;
    file.write_all(password.as_bytes())?;
    match account.switched() {
        Some((user, group)) => fchown(&file, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// Creates a file, locked.
fn held(folder: &Folder, path: &Path, name: &str) -> Result<File, StartError> {
    let path = path.join(name);
    let file = folder.create(name).map_err(system("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(system("lock", &path)(io::ErrorKind::WouldBlock.into()))
        }
        Err(TryLockError::Error(error)) => Err(system("lock", &path)(error)),
    }
}

/// Returns the file, locked, if no other process holds its lock.
fn free(folder: &Folder, name: &str) -> Option<File> {
    let file = folder.regular(name).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

/// Returns the last twenty lines.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn open_folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
        folder
    }

    #[test]
    fn password_belongs_to_the_account_alone() {
        let account = Account::of_server().unwrap();
        let parent = open_folder();
        let directory = ServerDirectory::create(parent.path(), &account, "secret").unwrap();
        let facts = fs::symlink_metadata(directory.password()).unwrap();
        assert_eq!(facts.uid(), account.user());
        assert_eq!(facts.mode() & 0o7777, 0o600);
        assert_eq!(fs::read_to_string(directory.password()).unwrap(), "secret");
        directory.remove_password().unwrap();
        directory.destroy().unwrap();
        assert!(!directory.path().exists());
    }

    /// An attack that the account can make on its own folder while root still uses it.
    #[test]
    fn folder_replaced_by_a_link_is_not_followed_by_root() {
        let account = Account::of_server().unwrap();
        let parent = open_folder();
        let directory = ServerDirectory::create(parent.path(), &account, "secret").unwrap();
        let root_only = tempfile::tempdir().unwrap();
        let data = root_only.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(root_only.path().join(LOG), "confidential").unwrap();
        fs::write(root_only.path().join(EXIT_STATUS), "confidential").unwrap();
        fs::rename(directory.path(), parent.path().join("moved")).unwrap();
        symlink(root_only.path(), directory.path()).unwrap();
        assert!(!directory.log_tail().contains("confidential"));
        assert_eq!(directory.exit_status(), None);
        directory.remove_log();
        directory.remove_exit_status();
        if Uid::effective().is_root() {
            // The account may not enter the folder.
            directory.destroy().unwrap_err();
        }
        assert!(data.exists() && root_only.path().join(LOG).exists());
        assert!(root_only.path().join(EXIT_STATUS).exists());
        assert!(ServerDirectory::adopt_stale(directory.path(), &account).is_none());
    }

    #[test]
    fn socket_path_has_a_limit_and_no_comma() {
        check_socket_path(Path::new("/var/tmp")).unwrap();
        let long = Path::new("/").join("x".repeat(60));
        let error = check_socket_path(&long).unwrap_err().to_string();
        assert!(error.contains("would have 106 bytes"), "{error}");
        let error = check_socket_path(Path::new("/a,b"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("comma"), "{error}");
    }

    #[test]
    fn folder_is_locked_against_cleaners() {
        let account = Account::of_server().unwrap();
        let parent = open_folder();
        let directory = ServerDirectory::create(parent.path(), &account, "secret").unwrap();
        let cleaner = File::open(directory.path()).unwrap();
        assert!(matches!(cleaner.try_lock(), Err(TryLockError::WouldBlock)));
        directory.destroy().unwrap();
    }
}
