//! A server in a container. It needs a Docker engine and the image: `scripts/install-docker` and
//! `scripts/build-postgres-image`.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use neobank_postgres::{Durability, LocalServer, ServerOptions, Source, StartError};

const IMAGE: &str = "neobank/postgres:18";

fn options() -> ServerOptions {
    ServerOptions::new()
        .durability(Durability::Fast)
        .source(Source::Container {
            image: IMAGE.to_owned(),
        })
}

fn start() -> LocalServer {
    options().start().unwrap_or_else(|error| {
        panic!("{error}\nRun: scripts/install-docker && scripts/build-postgres-image")
    })
}

/// Returns the version of the server at the URL.
fn version(url: &str) -> Result<u32, StartError> {
    let given = ServerOptions::new()
        .source(Source::Url(url.to_owned()))
        .start()?;
    Ok(given.version())
}

/// Returns the names of the containers that publish this port.
fn containers_at(url: &str) -> String {
    let port = url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0;
    let output = Command::new("docker")
        .args(["ps", "--all", "--format", "{{.Names}} {{.Ports}}"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| line.contains(&format!(":{port}->")))
        .collect()
}

fn await_gone(url: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !containers_at(url).is_empty() {
        assert!(
            Instant::now() < deadline,
            "{} is still there",
            containers_at(url)
        );
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn listens_on_this_machine_only_and_is_removed() {
    let server = start();
    assert_eq!(server.version(), 18);
    assert_eq!(version(server.url()).unwrap(), 18);
    assert!(
        containers_at(server.url()).contains(" 127.0.0.1:"),
        "{}",
        containers_at(server.url())
    );
    assert_eq!((server.process_id(), server.bin_directory()), (None, None));
    let url = server.url().to_owned();
    server.stop().unwrap();
    assert_eq!(containers_at(&url), "");
    version(&url).unwrap_err();
}

#[test]
fn is_removed_when_dropped_inside_an_asynchronous_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let url = runtime.block_on(async { start().url().to_owned() });
    await_gone(&url);
}

#[test]
fn is_kept_until_its_stop_command() {
    let kept = start().keep().unwrap();
    assert_eq!(version(&kept.url).unwrap(), 18);
    let stop = kept.stop_command.unwrap();
    assert!(
        Command::new("sh")
            .args(["-c", &stop])
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    await_gone(&kept.url);
}

#[test]
fn is_removed_when_its_owner_is_killed() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_local-postgres"))
        .args(["--fast", "--container", IMAGE])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let url = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .next()
        .unwrap()
        .unwrap();
    assert_ne!(containers_at(&url), "");
    owner.kill().unwrap();
    owner.wait().unwrap();
    await_gone(&url);
}

#[test]
fn rejected_setting_is_shown() {
    let error = options()
        .setting("shared_buffers", "many")
        .start()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("invalid value for parameter \"shared_buffers\""),
        "{error}"
    );
}

#[test]
fn missing_image_names_the_build_command() {
    let image = "neobank/no-such-image:1".to_owned();
    let error = ServerOptions::new()
        .source(Source::Container { image })
        .start()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("neobank/no-such-image:1") && error.contains("build-postgres-image"),
        "{error}"
    );
}

#[test]
fn version_other_than_requested_is_an_error() {
    let error = options().version(17).start().unwrap_err();
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
