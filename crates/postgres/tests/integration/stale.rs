//! The next start sweeps the folder of a server whose supervisor was killed as well.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::helper::Owner;
use crate::query::query;
use crate::world::{END_LIMIT, fast, is_running, names, open_folder};

/// Returns the supervising processes of a server, its parent first. They are read from `/proc`, so
/// on Linux only.
pub(crate) fn supervisors(server: i32) -> Vec<i32> {
    let main = parent(server).unwrap();
    let children = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|process| *process != server && parent(*process) == Some(main));
    [main].into_iter().chain(children).collect()
}

fn parent(process: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

/// Starts a server, and kills its owner and its supervisor.
fn orphan(parent: &Path) -> Owner {
    let mut owner = Owner::fast(parent);
    let supervisors = supervisors(owner.server);
    for supervisor in &supervisors {
        kill(Pid::from_raw(*supervisor), Signal::SIGKILL).unwrap();
    }
    owner.kill();
    // On a busy machine a killed process lives on, with its lock, until it is scheduled.
    let deadline = Instant::now() + END_LIMIT;
    while supervisors.iter().any(|supervisor| is_running(*supervisor)) {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(10));
    }
    owner
}

#[test]
fn server_is_stopped_and_its_folder_removed() {
    let parent = open_folder();
    let orphan = orphan(parent.path());
    assert!(is_running(orphan.server) && orphan.folder.exists());
    let server = fast().data_directory_parent(parent.path()).start().unwrap();
    assert!(!orphan.folder.exists());
    let deadline = Instant::now() + Duration::from_secs(5);
    while is_running(orphan.server) {
        assert!(Instant::now() < deadline);
    }
    server.stop().unwrap();
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

#[test]
fn folder_without_a_server_is_removed_and_a_foreign_process_left_alone() {
    let parent = open_folder();
    let orphan = orphan(parent.path());
    // As after a restart of the machine, the noted process id is another process's: this test's.
    let noted = orphan.folder.join("data/postmaster.pid");
    let file = fs::read_to_string(&noted).unwrap();
    let own = std::process::id().to_string();
    fs::write(&noted, file.replacen(&orphan.server.to_string(), &own, 1)).unwrap();
    kill(Pid::from_raw(orphan.server), Signal::SIGKILL).unwrap();
    fast()
        .data_directory_parent(parent.path())
        .start()
        .unwrap()
        .stop()
        .unwrap();
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

#[test]
fn living_servers_and_other_folders_are_left_alone() {
    let parent = open_folder();
    let living = fast().data_directory_parent(parent.path()).start().unwrap();
    for other in ["neobank-postgres-mine", "something"] {
        fs::create_dir(parent.path().join(other)).unwrap();
    }
    fast()
        .data_directory_parent(parent.path())
        .start()
        .unwrap()
        .stop()
        .unwrap();
    assert_eq!(query(living.url(), "SELECT 1").unwrap(), "1");
    living.stop().unwrap();
    assert_eq!(names(parent.path()), ["neobank-postgres-mine", "something"]);
}

#[test]
fn draft_is_removed_after_an_hour() {
    let parent = open_folder();
    let [old, new] = [".neobank-postgres-old", ".neobank-postgres-new"].map(|name| {
        let folder = parent.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    });
    let two_hours_ago = SystemTime::now() - Duration::from_secs(7200);
    fs::File::open(&old)
        .unwrap()
        .set_modified(two_hours_ago)
        .unwrap();
    fast()
        .data_directory_parent(parent.path())
        .start()
        .unwrap()
        .stop()
        .unwrap();
    assert!(!old.exists() && new.exists());
}
