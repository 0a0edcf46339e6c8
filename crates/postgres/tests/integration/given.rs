//! A server that was given by URL.

use neobank_postgres::{LocalServer, Source, StartError};

use crate::helper::{Owner, command, failure};
use crate::query::query;
use crate::world::fast;

fn another() -> LocalServer {
    fast().source(Source::Binaries).start().unwrap()
}

#[test]
fn is_used_as_it_is_and_never_stopped() {
    let other = another();
    let given = fast()
        .source(Source::Url(other.url().to_owned()))
        .start()
        .unwrap();
    assert_eq!(given.url(), other.url());
    assert_eq!(given.version(), other.version());
    assert_eq!((given.process_id(), given.bin_directory()), (None, None));
    assert_eq!(
        query(
            &given.database_url("template1"),
            "SELECT current_database()"
        )
        .unwrap(),
        "template1"
    );
    given.stop().unwrap();
    assert_eq!(query(other.url(), "SELECT 1").unwrap(), "1");
}

#[test]
fn works_inside_an_asynchronous_runtime() {
    let other = another();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let version = runtime.block_on(async {
        let given = fast()
            .source(Source::Url(other.url().to_owned()))
            .start()
            .unwrap();
        given.version()
    });
    assert_eq!(version, other.version());
}

#[test]
fn is_taken_from_the_environment_first() {
    let other = another();
    let owner = Owner::start(command(&[]).env("NEOBANK_TEST_DATABASE_URL", other.url()));
    assert_eq!(owner.url, other.url());
    assert!(
        owner
            .origin
            .contains("the server at postgresql://postgres@127.0.0.1:"),
        "{}",
        owner.origin
    );
}

#[test]
fn of_another_version_than_requested_is_an_error() {
    let other = another();
    let wanted = if other.version() == 18 { 17 } else { 18 };
    let url = other.url().to_owned();
    let error = fast()
        .version(wanted)
        .source(Source::Url(url))
        .start()
        .unwrap_err();
    assert!(
        matches!(error, StartError::VersionMismatch { .. }),
        "{error}"
    );
}

#[test]
fn from_the_environment_yields_to_the_requested_version() {
    let other = another();
    let wanted = if other.version() == 18 {
        other.version()
    } else {
        18
    };
    let owner = Owner::start(
        command(&["--fast", "--postgres", &wanted.to_string()])
            .env("NEOBANK_TEST_DATABASE_URL", other.url()),
    );
    assert_eq!(owner.url == other.url(), wanted == other.version());
    let number = query(&owner.url, "SHOW server_version_num").unwrap();
    assert!(number.starts_with(&wanted.to_string()), "{number}");
}

#[test]
fn unreachable_server_is_an_error_without_the_password() {
    let text = failure(command(&[]).env(
        "NEOBANK_TEST_DATABASE_URL",
        "postgresql://me:secret@127.0.0.1:1/db",
    ));
    assert!(
        text.contains("cannot connect to") && text.contains("postgresql://me@127.0.0.1:1/db"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}
