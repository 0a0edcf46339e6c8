//! A server that runs as processes of this machine.

mod account;
mod directory;
mod folder;
mod initialise;
mod launch;
mod parent;
mod process;
pub(crate) mod settings;
mod stray;
mod supervisor;
mod sweep;

pub(crate) use account::Account;
pub(crate) use process::LocalProcess;

use crate::error::system;
use crate::installation::Installation;
use crate::server::Ownership;
use crate::{Listen, LocalServer, ServerOptions, StartError, password, url_form};

use directory::ServerDirectory;

/// Creates a database cluster with these binaries and starts a server on it.
pub(crate) fn start(
    options: &ServerOptions,
    installation: &Installation,
) -> Result<LocalServer, StartError> {
    let account = Account::of_server()?;
    account.must_enter(&installation.programs)?;
    let parent = parent::choose(options, &account)?;
    if options.listen == Listen::UnixSocket {
        directory::check_socket_path(&parent)?;
    }
    sweep::sweep(&parent, &account);
    let password =
        password::random().map_err(system("make a password for a server in", &parent))?;
    let directory = ServerDirectory::create(&parent, &account, &password)?;
    let started =
        initialise::initialise(options, installation, &directory, &account).and_then(|()| {
            launch::launch(
                options,
                installation,
                &directory,
                &account,
                launch::free_port,
            )
        });
    let running = match started {
        Ok(started) => started,
        Err(error) => {
            // Usually done already; the first error is the one to report.
            let _ = directory.destroy();
            return Err(error);
        }
    };
    let url = match running.address {
        launch::Address::Port(port) => url_form::tcp(port, &password),
        launch::Address::Socket(folder, port) => url_form::unix_socket(&folder, port),
    };
    let process = LocalProcess::new(
        directory,
        running.supervisor,
        running.server_id,
        installation.programs.clone(),
    );
    Ok(LocalServer::new(
        url_form::parse(&url)?,
        installation.major,
        installation.origin.clone(),
        Ownership::Process(process),
    ))
}
