//! The processes, folders and time limits of the tests.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use neobank_postgres::{Durability, ServerOptions, Source};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::query::query;

/// The limit of every end, which takes a fraction of a second on an idle machine.
pub(crate) const END_LIMIT: Duration = Duration::from_secs(10);

/// Options for a server of the test's own, whatever the environment gives to other tests.
pub(crate) fn fast() -> ServerOptions {
    let source = match std::env::var_os(neobank_postgres::URL_VARIABLE) {
        Some(_) => Source::Binaries,
        None => Source::Automatic,
    };
    ServerOptions::new()
        .durability(Durability::Fast)
        .source(source)
}

/// Creates a folder that every account can write to.
pub(crate) fn open_folder() -> TempDir {
    folder_with_mode(0o1777)
}

/// Creates a folder with these rights.
pub(crate) fn folder_with_mode(mode: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    // Set afterwards, because the process's file mode mask removes rights from a new folder.
    fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
    folder
}

/// Returns the folder of a server.
pub(crate) fn server_folder(url: &str) -> PathBuf {
    let data = PathBuf::from(query(url, "SHOW data_directory").unwrap());
    data.parent().unwrap().to_owned()
}

/// Returns the process id of the server in that folder.
pub(crate) fn server_process(folder: &Path) -> i32 {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().trim().parse().unwrap()
}

pub(crate) fn is_running(process: i32) -> bool {
    kill(Pid::from_raw(process), None).is_ok()
}

/// Waits until both the process and the folder are gone, and fails with the rest after the limit.
pub(crate) fn await_gone(process: i32, folder: &Path) {
    let deadline = Instant::now() + END_LIMIT;
    while is_running(process) || folder.exists() {
        assert!(
            Instant::now() < deadline,
            "after {END_LIMIT:?}: the server runs: {}, its folder is there: {}",
            is_running(process),
            folder.exists()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
