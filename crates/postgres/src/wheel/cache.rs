//! The folder of fetched programs.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;
use tempfile::TempDir;

use crate::error::system;
use crate::{ServerOptions, StartError};

/// The prefix of the names of unfinished folders.
const DRAFT_PREFIX: &str = ".draft-";

/// Chooses the cache folder, and creates it if it does not exist.
pub(crate) fn choose(options: &ServerOptions) -> Result<PathBuf, StartError> {
    let folder = options
        .cache
        .clone()
        .or_else(|| variable(crate::CACHE_VARIABLE))
        .or_else(usual_folder)
        .ok_or(StartError::NoCache)?;
    // Other accounts may read it, because root's server runs as another account.
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&folder)
        .map_err(system("create the cache folder", &folder))?;
    folder
        .canonicalize()
        .map_err(system("find the cache folder", &folder))
}

/// Waits for the lock of that name, and holds it while the returned file is open.
pub(crate) fn lock(cache: &Path, name: &str) -> Result<File, StartError> {
    let path = cache.join(format!("{name}.lock"));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(system("open the lock", &path))?;
    file.lock().map_err(system("lock", &path))?;
    Ok(file)
}

/// Creates a temporary folder, and first removes older ones that killed processes left. Only the
/// holder of the lock may call it.
pub(crate) fn draft(cache: &Path) -> Result<TempDir, StartError> {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(DRAFT_PREFIX)
        {
            // A failure only wastes space.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new()
        .prefix(DRAFT_PREFIX)
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(cache)
        .map_err(system("create a folder in", cache))
}

fn usual_folder() -> Option<PathBuf> {
    if Uid::effective().is_root() {
        return Some(PathBuf::from("/var/cache/neobank"));
    }
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("neobank"))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
