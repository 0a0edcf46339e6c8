//! Access to a folder that another account owns, without trust in its contents.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

/// The flags of every opened file: no symbolic links, and no waiting for the other end of a named
/// pipe.
const CAREFUL: OFlag = OFlag::O_NOFOLLOW
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_CLOEXEC);

/// A handle on a folder.
///
/// The handle stays with the folder when the folder's owner renames it or puts a symbolic link in
/// its place. Files are reached through the handle only.
#[derive(Debug)]
pub(crate) struct Folder {
    handle: File,
}

impl Folder {
    /// Opens the folder; a symbolic link in its place is an error.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = CAREFUL | OFlag::O_DIRECTORY;
        let handle = File::options()
            .read(true)
            .custom_flags(flags.bits())
            .open(path)?;
        Ok(Self { handle })
    }

    /// Returns the open folder itself, which can be locked and passed to a child process.
    pub(crate) fn handle(&self) -> &File {
        &self.handle
    }

    /// Creates a file that must not exist yet, for reading and writing by its owner alone.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        let flags = CAREFUL | OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        Ok(openat(&self.handle, name, flags, mode).map(File::from)?)
    }

    /// Opens a regular file of any owner.
    pub(crate) fn regular(&self, name: &str) -> io::Result<File> {
        let file = File::from(open(&self.handle, name, OFlag::O_RDONLY)?);
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        Err(io::Error::other(format!("`{name}` is not a regular file")))
    }

    /// Returns the last bytes, at most `limit`, of a regular file that belongs to `user`.
    ///
    /// `parents` are the folders between this one and the file; none of them may be a symbolic
    /// link.
    pub(crate) fn tail_of(
        &self,
        parents: &[&str],
        name: &str,
        user: u32,
        limit: u64,
    ) -> io::Result<String> {
        let mut folder = self.handle.try_clone()?;
        for parent in parents {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
            folder = File::from(open(&folder, parent, flags)?);
        }
        let mut file = Self { handle: folder }.regular(name)?;
        // A hard link can name any account's file.
        if file.metadata()?.uid() != user {
            return Err(io::Error::other(format!(
                "`{name}` belongs to another account"
            )));
        }
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Removes a file, or the symbolic link of that name, if there is one.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.handle, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(nix::Error::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn open(folder: &File, name: &str, flags: OFlag) -> io::Result<OwnedFd> {
    Ok(openat(folder, name, CAREFUL | flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::{Uid, mkfifo};

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        (place, folder)
    }

    fn read(folder: &Folder, parents: &[&str], name: &str) -> io::Result<String> {
        folder.tail_of(parents, name, Uid::effective().as_raw(), 8)
    }

    #[test]
    fn tail_is_the_end_of_the_file() {
        let (place, folder) = folder();
        fs::create_dir(place.path().join("data")).unwrap();
        fs::write(place.path().join("data/log"), "0123456789").unwrap();
        assert_eq!(read(&folder, &["data"], "log").unwrap(), "23456789");
    }

    #[test]
    fn symbolic_links_are_rejected_in_every_place() {
        let (place, folder) = folder();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("secret"), "secret").unwrap();
        symlink(other.path().join("secret"), place.path().join("log")).unwrap();
        symlink(other.path(), place.path().join("data")).unwrap();
        assert!(read(&folder, &[], "log").is_err());
        assert!(read(&folder, &["data"], "secret").is_err());
        assert!(folder.create("log").is_err());
        folder.remove("log").unwrap();
        assert!(other.path().join("secret").exists());
    }

    #[test]
    fn named_pipes_are_rejected_without_waiting() {
        let (place, folder) = folder();
        mkfifo(&place.path().join("log"), Mode::S_IRWXU).unwrap();
        assert!(read(&folder, &[], "log").is_err());
        assert!(folder.regular("log").is_err());
    }

    #[test]
    fn files_of_other_accounts_are_rejected() {
        let (place, folder) = folder();
        fs::write(place.path().join("log"), "text").unwrap();
        let another = Uid::effective().as_raw().wrapping_add(1);
        assert!(folder.tail_of(&[], "log", another, 8).is_err());
    }

    #[test]
    fn handle_stays_with_a_folder_that_was_replaced() {
        let place = tempfile::tempdir().unwrap();
        let (ours, moved) = (place.path().join("ours"), place.path().join("moved"));
        fs::create_dir(&ours).unwrap();
        let folder = Folder::open(&ours).unwrap();
        fs::rename(&ours, &moved).unwrap();
        let other = tempfile::tempdir().unwrap();
        symlink(other.path(), &ours).unwrap();
        folder.create("file").unwrap();
        assert!(moved.join("file").exists());
        assert!(!other.path().join("file").exists());
        assert!(Folder::open(&ours).is_err());
    }
}
