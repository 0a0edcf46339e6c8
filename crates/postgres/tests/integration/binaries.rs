//! Servers from the binaries of this machine, and properties of every started server.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use neobank_postgres::{Durability, Listen, Source, StartError};
use nix::unistd::Uid;
use tokio_postgres::config::{Config, Host};

use crate::helper::{Owner, command, failure};
use crate::query::query;
use crate::world::{
    await_gone, fast, folder_with_mode, is_running, names, open_folder, server_folder,
    server_process,
};

#[test]
fn of_this_machine_are_found_and_run() {
    let server = fast().source(Source::Binaries).start().unwrap();
    let number = query(server.url(), "SHOW server_version_num").unwrap();
    assert_eq!(number.parse::<u32>().unwrap() / 10_000, server.version());
    let programs = server.bin_directory().unwrap();
    assert!(programs.join("postgres").is_file());
    assert!(
        server.origin().contains(&*programs.to_string_lossy()),
        "{}",
        server.origin()
    );
}

#[test]
fn stop_removes_everything() {
    let server = fast().start().unwrap();
    let folder = server_folder(server.url());
    let process = server_process(&folder);
    assert_eq!(server.process_id(), Some(u32::try_from(process).unwrap()));
    server.stop().unwrap();
    assert!(!folder.exists());
    assert!(!is_running(process));
}

#[test]
fn drop_cuts_off_connected_clients() {
    let server = fast().start().unwrap();
    let folder = server_folder(server.url());
    let process = server_process(&folder);
    let url = server.url().to_owned();
    let client = thread::spawn(move || query(&url, "SELECT pg_sleep(60)"));
    while query(
        server.url(),
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
    )
    .unwrap()
        != "1"
    {
        thread::sleep(Duration::from_millis(10));
    }
    drop(server);
    await_gone(process, &folder);
    let error = client.join().unwrap().unwrap_err();
    assert!(error.contains("terminating connection"), "{error}");
}

#[test]
fn durable_and_fast_settings() {
    for (durability, value, buffers) in [
        (Durability::Durable, "on", "256MB"),
        (Durability::Fast, "off", "128MB"),
    ] {
        let server = fast()
            .durability(durability)
            .setting("deadlock_timeout", "123ms")
            .start()
            .unwrap();
        for (name, expected) in [
            ("fsync", value),
            ("synchronous_commit", value),
            ("full_page_writes", value),
            ("shared_buffers", buffers),
            ("deadlock_timeout", "123ms"),
            ("max_connections", "200"),
            ("data_checksums", "on"),
            ("server_encoding", "UTF8"),
        ] {
            let found = query(server.url(), &format!("SHOW {name}")).unwrap();
            assert_eq!(found, expected, "{name} of a {durability:?} server");
        }
        let durable = server_folder(server.url()).starts_with("/var/tmp");
        assert_eq!(durable, durability == Durability::Durable);
    }
}

#[test]
fn setting_that_the_server_rejects_is_shown() {
    let error = fast()
        .setting("shared_buffers", "many")
        .start()
        .unwrap_err();
    assert!(matches!(error, StartError::Server { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("invalid value for parameter \"shared_buffers\""),
        "{error}"
    );
}

#[test]
fn failed_start_leaves_nothing() {
    let parent = open_folder();
    fast()
        .data_directory_parent(parent.path())
        .setting("max_connections", "0")
        .start()
        .unwrap_err();
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

#[test]
fn tcp_asks_for_the_password_and_listens_on_this_machine_only() {
    let server = fast().start().unwrap();
    assert_eq!(
        query(server.url(), "SHOW listen_addresses").unwrap(),
        "127.0.0.1"
    );
    assert_eq!(
        query(server.url(), "SHOW unix_socket_directories").unwrap(),
        ""
    );
    let (before, after) = server.url().split_once('@').unwrap();
    let (user, password) = before.rsplit_once(':').unwrap();
    assert_eq!(password.len(), 32);
    let error = query(&format!("{user}:{}@{after}", "0".repeat(32)), "SELECT 1").unwrap_err();
    assert!(error.contains("password authentication failed"), "{error}");
    query(&format!("{user}@{after}"), "SELECT 1").unwrap_err();
}

#[test]
fn socket_lies_in_a_closed_folder_and_its_url_is_read_by_the_driver() {
    let server = fast().listen(Listen::UnixSocket).start().unwrap();
    assert_eq!(query(server.url(), "SHOW listen_addresses").unwrap(), "");
    let socket = query(server.url(), "SHOW unix_socket_directories").unwrap();
    assert_eq!(
        fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let folder = server_folder(server.url());
    assert_eq!(
        fs::metadata(folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let config = Config::from_str(&server.database_url("bank")).unwrap();
    assert_eq!(config.get_hosts(), [Host::Unix(socket.into())]);
    assert_eq!(
        (config.get_ports(), config.get_user(), config.get_dbname()),
        (&[5432][..], Some("postgres"), Some("bank"))
    );
}

#[test]
fn url_of_another_database() {
    let server = fast().start().unwrap();
    query(server.url(), "CREATE DATABASE \"a bank/1\"").unwrap();
    let url = server.database_url("a bank/1");
    assert_eq!(
        query(&url, "SELECT current_database()").unwrap(),
        "a bank/1"
    );
    let config = Config::from_str(&url).unwrap();
    assert_eq!(config.get_dbname(), Some("a bank/1"));
}

#[test]
fn server_does_not_run_as_root() {
    let server = fast().start().unwrap();
    let process = Path::new("/proc").join(server.process_id().unwrap().to_string());
    if !Path::new("/proc/self").exists() {
        return;
    }
    let user = fs::metadata(process).unwrap().uid();
    let own = Uid::effective();
    assert_eq!(user != own.as_raw(), own.is_root());
    assert_ne!(user, 0);
}

#[test]
fn several_at_the_same_time() {
    let parent = open_folder();
    let servers: Vec<_> = thread::scope(|scope| {
        let start = || fast().data_directory_parent(parent.path()).start().unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let folders: BTreeSet<_> = servers
        .iter()
        .map(|server| server_folder(server.url()))
        .collect();
    assert_eq!(folders.len(), servers.len());
    drop(servers);
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

#[test]
fn wrong_folder_in_the_variable_is_a_clear_error() {
    let text = failure(command(&["--fast"]).env("PG_BIN", "/nowhere"));
    assert!(
        text.contains("PG_BIN is /nowhere, but there is no `postgres`"),
        "{text}"
    );
}

#[test]
fn unsupported_version_is_rejected() {
    for major in [14, 19] {
        let error = fast().version(major).start().unwrap_err();
        assert!(
            matches!(error, StartError::VersionNotSupported { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("use one of 15 to 18"), "{error}");
    }
}

#[test]
fn unavailable_version_names_both_sources() {
    let wanted = 16;
    let error = match fast().source(Source::Automatic).version(wanted).start() {
        // This machine also has that version.
        Ok(server) => return assert_eq!(server.version(), wanted),
        Err(error) => error.to_string(),
    };
    for part in [
        "PostgreSQL 16",
        "18.6.3 has PostgreSQL 18",
        "apt-get install postgresql",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn folder_that_the_account_cannot_write_to_is_a_clear_error() {
    if !Uid::effective().is_root() {
        return;
    }
    for mode in [0o700, 0o755] {
        let parent = folder_with_mode(mode);
        let error = fast()
            .data_directory_parent(parent.path())
            .start()
            .unwrap_err();
        assert!(matches!(error, StartError::NotReachable { .. }), "{error}");
        assert_eq!(names(parent.path()), Vec::<String>::new());
    }
}

#[test]
fn relative_folder_in_the_variable_works() {
    let server = fast().source(Source::Binaries).start().unwrap();
    let programs = server.bin_directory().unwrap();
    let owner = Owner::start(
        command(&["--fast", "--source", "binaries"])
            .env("PG_BIN", programs.file_name().unwrap())
            .current_dir(programs.parent().unwrap()),
    );
    assert!(
        owner.origin.contains(&*programs.to_string_lossy()),
        "{}",
        owner.origin
    );
}

/// Other causes are a user id without a name, a wrong locale or a full disk.
#[test]
fn failed_initdb_shows_its_own_message() {
    let programs = folder_with_mode(0o755);
    for (name, script) in [
        ("postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 18.1'\n"),
        (
            "initdb",
            "#!/bin/sh\necho 'could not look up effective user ID 4711' >&2\nexit 1\n",
        ),
    ] {
        let program = programs.path().join(name);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let text = failure(command(&["--fast", "--source", "binaries"]).env("PG_BIN", programs.path()));
    assert!(
        text.contains("initdb failed (ended with status 1)"),
        "{text}"
    );
    assert!(text.contains("user ID 4711"), "{text}");
}

#[test]
fn socket_in_a_folder_with_a_long_name_is_rejected_before_anything_starts() {
    let parent = open_folder();
    let long = parent.path().join("x".repeat(80));
    fs::create_dir(&long).unwrap();
    fs::set_permissions(&long, fs::Permissions::from_mode(0o1777)).unwrap();
    let error = fast()
        .listen(Listen::UnixSocket)
        .data_directory_parent(&long)
        .start()
        .unwrap_err();
    assert!(matches!(error, StartError::SocketFolder { .. }), "{error}");
    assert_eq!(names(&long), Vec::<String>::new());
    // The length does not matter to a server without a socket.
    let server = fast().data_directory_parent(&long).start().unwrap();
    server.stop().unwrap();
}

#[test]
fn user_namespace_without_the_account_is_rejected_before_anything_starts() {
    if !Uid::effective().is_root() {
        return;
    }
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", env!("CARGO_BIN_EXE_local-postgres")])
        .args(["--fast", "--source", "binaries"])
        .env_remove("NEOBANK_TEST_DATABASE_URL");
    let text = failure(&mut command);
    assert!(text.contains("cannot run a program as user"), "{text}");
}
