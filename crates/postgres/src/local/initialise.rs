//! Creates the files of a database cluster.

use std::ffi::OsString;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::system;
use crate::installation::Installation;
use crate::url_form::SUPERUSER;
use crate::{Durability, ServerOptions, StartError, password};

use super::Account;
use super::directory::ServerDirectory;
use super::supervisor::Supervisor;

/// Runs `initdb` and answers the superuser's password.
///
/// The locale is C with UTF-8 text: the only one that sorts alike on every machine and version.
pub(crate) fn initialise(
    options: &ServerOptions,
    installation: &Installation,
    directory: &ServerDirectory,
    account: &Account,
) -> Result<String, StartError> {
    let password = password::random().map_err(system(
        "make a password for the server in",
        directory.path(),
    ))?;
    let password_file = directory.path().join("password");
    fs::write(&password_file, &password)
        .and_then(|()| account.give(&password_file))
        .map_err(system("write", &password_file))?;
    let mut arguments = arguments(options);
    arguments.push(joined("--pgdata=", directory.data().into()));
    arguments.push(joined("--pwfile=", password_file.clone().into()));
    let program = installation.programs.join("initdb");
    let supervisor = Supervisor::start(directory, account, &program, &arguments)?;
    let result = await_success(options, directory, supervisor);
    fs::remove_file(&password_file).map_err(system("remove", &password_file))?;
    result.map(|()| password)
}

fn arguments(options: &ServerOptions) -> Vec<OsString> {
    let username = format!("--username={SUPERUSER}");
    let mut arguments = vec![
        username.as_str(),
        "--encoding=UTF8",
        "--locale=C",
        "--data-checksums",
        // The socket lies in a folder that only the server's account can enter.
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
    ];
    if options.durability == Durability::Fast {
        arguments.push("--no-sync");
    }
    arguments.into_iter().map(OsString::from).collect()
}

fn await_success(
    options: &ServerOptions,
    directory: &ServerDirectory,
    mut supervisor: Supervisor,
) -> Result<(), StartError> {
    let deadline = Instant::now() + options.start_timeout;
    let outcome = loop {
        if let Some(outcome) = supervisor.outcome(directory) {
            break outcome;
        }
        if Instant::now() >= deadline {
            break format!("took longer than {} s", options.start_timeout.as_secs());
        }
        thread::sleep(Duration::from_millis(5));
    };
    if outcome == "ended with status 0" {
        supervisor.release();
        return Ok(());
    }
    let log = directory.log_tail();
    supervisor.end();
    Err(StartError::Initialise { outcome, log })
}

fn joined(option: &str, value: OsString) -> OsString {
    let mut whole = OsString::from(option);
    whole.push(value);
    whole
}
