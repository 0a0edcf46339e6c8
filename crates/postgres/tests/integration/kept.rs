//! Servers that outlive their owner on request.

use std::fs::{File, TryLockError};
use std::process::Command;

use crate::helper::command;
use crate::query::query;
use crate::world::{
    await_gone, fast, is_running, names, open_folder, server_folder, server_process,
};

#[test]
fn runs_until_its_stop_command() {
    let parent = open_folder();
    let parent_argument = parent.path().to_str().unwrap();
    let output = command(&["--fast", "--keep", "--data-parent", parent_argument])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let url = text.lines().next().unwrap();
    let (folder, stop) = (
        server_folder(url),
        text.rsplit_once("stop it by: ").unwrap().1.trim(),
    );
    let process = server_process(&folder);
    // Another start beside it does not take it for stale.
    fast()
        .data_directory_parent(parent.path())
        .start()
        .unwrap()
        .stop()
        .unwrap();
    assert_eq!(query(url, "SELECT 1").unwrap(), "1");
    // The system's cleaner of old temporary files skips locked folders.
    let cleaner = File::open(&folder).unwrap();
    assert!(matches!(cleaner.try_lock(), Err(TryLockError::WouldBlock)));
    drop(cleaner);
    assert!(
        Command::new("sh")
            .args(["-c", stop])
            .status()
            .unwrap()
            .success()
    );
    await_gone(process, &folder);
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

#[test]
fn returns_its_process_and_url() {
    let server = fast().start().unwrap();
    let (url, process) = (server.url().to_owned(), server.process_id());
    let folder = server_folder(&url);
    let kept = server.keep().unwrap();
    assert_eq!((kept.url, kept.process_id), (url.clone(), process));
    assert_eq!(query(&url, "SELECT 1").unwrap(), "1");
    let server = server_process(&folder);
    assert!(is_running(server));
    let stop = kept.stop_command.unwrap();
    assert!(
        Command::new("sh")
            .args(["-c", &stop])
            .status()
            .unwrap()
            .success()
    );
    await_gone(server, &folder);
}
