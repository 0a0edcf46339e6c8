//! Creation of a database cluster's files.

use std::ffi::OsString;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::system;
use crate::installation::Installation;
use crate::url_form::SUPERUSER;
use crate::{Durability, ServerOptions, StartError};

use super::Account;
use super::directory::ServerDirectory;
use super::supervisor::Supervisor;

/// Runs `initdb`, which sets the superuser's password from the file in the folder.
///
/// The locale is C with UTF-8 text: the only one with the same sort order on every machine and
/// version.
pub(crate) fn initialise(
    options: &ServerOptions,
    installation: &Installation,
    directory: &ServerDirectory,
    account: &Account,
) -> Result<(), StartError> {
    let mut arguments = arguments(options);
    arguments.push(joined("--pgdata=", directory.data().into()));
    arguments.push(joined("--pwfile=", directory.password().into()));
    let program = installation.programs.join("initdb");
    let supervisor = Supervisor::start(directory, account, &program, &arguments)?;
    // An error of `initdb` takes precedence over one of the password's file.
    await_success(options, directory, supervisor)?;
    directory
        .remove_password()
        .map_err(system("remove", &directory.password()))
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
