//! The server ends with its owner, for whatever reason that ends.

use std::panic;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::helper::{Owner, command, command_ignoring_interrupts};
use crate::query::query;
use crate::stale::supervisors;
use crate::world::{
    END_LIMIT, await_gone, fast, is_running, names, open_folder, server_folder, server_process,
};

#[test]
fn killed() {
    let parent = open_folder();
    let mut owner = Owner::fast(parent.path());
    owner.kill();
    await_gone(owner.server, &owner.folder);
}

#[test]
fn interrupted_from_the_terminal() {
    let parent = open_folder();
    let mut owner = Owner::fast(parent.path());
    owner.signal_group(Signal::SIGINT);
    owner.wait();
    await_gone(owner.server, &owner.folder);
}

#[test]
fn panicked() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let result = panic::catch_unwind(move || {
        let server = fast().start().unwrap();
        let folder = server_folder(server.url());
        sender.send((server_process(&folder), folder)).unwrap();
        panic!("on purpose");
    });
    result.unwrap_err();
    let (process, folder) = receiver.recv().unwrap();
    assert!(!is_running(process) && !folder.exists());
}

#[test]
fn killed_while_a_client_works() {
    let parent = open_folder();
    let mut owner = Owner::fast(parent.path());
    let url = owner.url.clone();
    let client = thread::spawn(move || query(&url, "SELECT pg_sleep(60)"));
    owner.kill();
    await_gone(owner.server, &owner.folder);
    client.join().unwrap().unwrap_err();
}

#[test]
fn killed_after_its_supervisor() {
    let parent = open_folder();
    let mut owner = Owner::fast(parent.path());
    // The server's parent is killed; the process that watches the owner stays.
    kill(Pid::from_raw(supervisors(owner.server)[0]), Signal::SIGKILL).unwrap();
    owner.kill();
    await_gone(owner.server, &owner.folder);
}

#[test]
fn interrupt_that_the_owner_survives_does_not_reach_the_server() {
    let owner = Owner::start(&mut command_ignoring_interrupts(&["--fast"]));
    owner.signal_group(Signal::SIGINT);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(query(&owner.url, "SELECT 1").unwrap(), "1");
}

#[test]
fn supervisor_killed_and_then_stopped_by_the_owner() {
    let server = fast().start().unwrap();
    let folder = server_folder(server.url());
    let process = server_process(&folder);
    for supervisor in supervisors(process) {
        kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    }
    assert_eq!(query(server.url(), "SELECT 1").unwrap(), "1");
    server.stop().unwrap();
    await_gone(process, &folder);
}

#[test]
fn folder_of_a_crashed_server_is_removed() {
    let server = fast().start().unwrap();
    let folder = server_folder(server.url());
    let process = server_process(&folder);
    kill(Pid::from_raw(process), Signal::SIGQUIT).unwrap();
    while is_running(process) {
        thread::sleep(Duration::from_millis(10));
    }
    // The log stays readable while the owner lives.
    assert!(folder.join("server.log").exists());
    server.stop().unwrap();
    assert!(!folder.exists());
}

#[test]
fn killed_at_any_moment_of_its_start() {
    let parent = open_folder();
    for tenths in 0..8 {
        let mut owner = command(&["--fast", "--data-parent"])
            .arg(parent.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(100 * tenths));
        owner.kill().unwrap();
        owner.wait().unwrap();
    }
    // In the moments without a supervisor, the next start removes the folder.
    let server = fast().data_directory_parent(parent.path()).start().unwrap();
    server.stop().unwrap();
    let deadline = Instant::now() + END_LIMIT;
    let left = || {
        let mut names = names(parent.path());
        names.retain(|name| !name.starts_with('.'));
        names
    };
    while !left().is_empty() {
        assert!(Instant::now() < deadline, "left: {:?}", left());
        thread::sleep(Duration::from_millis(10));
    }
}
