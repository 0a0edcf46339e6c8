//! The start of the server, up to its first accepted connection.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use crate::error::system;
use crate::installation::Installation;
use crate::{Listen, ServerOptions, StartError};

use super::directory::ServerDirectory;
use super::supervisor::Supervisor;
use super::{Account, settings};

/// The number of attempts with another port when another process takes the free one first.
const PORT_ATTEMPTS: u32 = 5;

/// The port in the name of the socket file; each server has a folder of its own for it.
const SOCKET_PORT: u16 = 5432;

/// The place of POSIX shared memory on Linux.
const SHARED_MEMORY: &str = "/dev/shm";

/// The least size of it, in bytes, that is enough for parallel queries.
const SHARED_MEMORY_MIN: u64 = 256 << 20;

/// The message of the server's log, in the fixed language of its messages, when its port is taken.
const PORT_TAKEN: &str = "could not create any TCP/IP sockets";

/// The address on which the server accepts connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A port of 127.0.0.1.
    Port(u16),
    /// A socket in this folder, named by this port.
    Socket(PathBuf, u16),
}

/// A server that accepts connections.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) supervisor: Supervisor,
    pub(crate) server_id: u32,
    pub(crate) address: Address,
}

/// Returns a port of 127.0.0.1 that was just free.
pub(crate) fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Starts the server on the initialised folder, on a port from `next_port` for TCP.
pub(crate) fn launch(
    options: &ServerOptions,
    installation: &Installation,
    directory: &ServerDirectory,
    account: &Account,
    mut next_port: impl FnMut() -> io::Result<u16>,
) -> Result<Running, StartError> {
    let program = installation.programs.join("postgres");
    let mut attempt = 1;
    loop {
        let address = match options.listen {
            Listen::TcpFreePort => Address::Port(
                next_port().map_err(system("find a free port for", directory.path()))?,
            ),
            Listen::UnixSocket => Address::Socket(directory.socket(), SOCKET_PORT),
        };
        let arguments = arguments(options, &directory.data(), &address);
        let mut supervisor = Supervisor::start(directory, account, &program, &arguments)?;
        let outcome = match await_ready(options, directory, &mut supervisor) {
            Ok(server_id) => {
                return Ok(Running {
                    supervisor,
                    server_id,
                    address,
                });
            }
            Err(outcome) => outcome,
        };
        let log = directory.log_tail();
        if attempt < PORT_ATTEMPTS && log.contains(PORT_TAKEN) {
            supervisor.release();
            // Otherwise the next attempt's log would still contain the message.
            directory.remove_log();
            attempt += 1;
            continue;
        }
        supervisor.end();
        return Err(StartError::Server { outcome, log });
    }
}

/// Returns arguments by which a server with little shared memory keeps the segments of parallel
/// queries in files of its data folder: containers often have 64 MB, which one such query can fill.
fn shared_memory(place: &Path) -> impl Iterator<Item = &'static str> {
    let is_small = statvfs(place).is_ok_and(|facts| {
        facts.blocks().saturating_mul(facts.fragment_size()) < SHARED_MEMORY_MIN
    });
    let arguments: &[&str] = if is_small {
        &["-c", "dynamic_shared_memory_type=mmap"]
    } else {
        &[]
    };
    arguments.iter().copied()
}

fn arguments(options: &ServerOptions, data: &Path, address: &Address) -> Vec<OsString> {
    let mut arguments = vec![OsString::from("-D"), data.into()];
    // The options come later and take precedence.
    arguments.extend(shared_memory(Path::new(SHARED_MEMORY)).map(OsString::from));
    arguments.extend(settings::arguments(options).into_iter().map(OsString::from));
    let mut set = |name: &str, value: OsString| {
        let mut setting = OsString::from(name);
        setting.push("=");
        setting.push(value);
        arguments.extend([OsString::from("-c"), setting]);
    };
    match address {
        Address::Port(port) => {
            set("listen_addresses", Ipv4Addr::LOCALHOST.to_string().into());
            set("unix_socket_directories", OsString::new());
            set("port", port.to_string().into());
        }
        Address::Socket(folder, port) => {
            set("listen_addresses", OsString::new());
            set("unix_socket_directories", folder.into());
            set("port", port.to_string().into());
        }
    }
    arguments
}

/// Waits until the server's own file says that it is ready, as `pg_ctl` does, and returns its
/// process id. `Err` contains its exit status instead.
fn await_ready(
    options: &ServerOptions,
    directory: &ServerDirectory,
    supervisor: &mut Supervisor,
) -> Result<u32, String> {
    let deadline = Instant::now() + options.start_timeout;
    loop {
        if let Some(server_id) = ready(&directory.server_status()) {
            return Ok(server_id);
        }
        if let Some(outcome) = supervisor.outcome(directory) {
            return Err(outcome);
        }
        if Instant::now() >= deadline {
            let limit = options.start_timeout.as_secs();
            return Err(format!("accepted no connections within {limit} s"));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the process id in the first line, if the eighth line says that the server is ready.
fn ready(status: &str) -> Option<u32> {
    let mut lines = status.lines();
    let server_id = lines.next()?.trim().parse().ok()?;
    (lines.nth(6)?.trim() == "ready").then_some(server_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::initialise::initialise;
    use crate::{Durability, installation};

    #[test]
    fn another_port_is_tried_when_the_first_is_taken() {
        let options = ServerOptions::new().durability(Durability::Fast);
        let installation = installation::find(None).unwrap();
        let account = Account::of_server().unwrap();
        let directory = ServerDirectory::create(Path::new("/tmp"), &account, "secret").unwrap();
        initialise(&options, &installation, &directory, &account).unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let free = free_port().unwrap();
        let mut ports = [taken.local_addr().unwrap().port(), free].into_iter();
        let running = launch(&options, &installation, &directory, &account, || {
            ports.next().ok_or_else(|| io::ErrorKind::NotFound.into())
        });
        let running = running.unwrap();
        assert_eq!(running.address, Address::Port(free));
        running.supervisor.end();
        assert!(!directory.path().exists());
    }

    #[test]
    fn small_shared_memory_is_left_alone() {
        // A file system of the kernel without any blocks.
        assert_eq!(
            shared_memory(Path::new("/proc")).collect::<Vec<_>>(),
            ["-c", "dynamic_shared_memory_type=mmap"]
        );
        assert_eq!(shared_memory(Path::new("/nowhere")).count(), 0);
    }

    #[test]
    fn reads_the_status_of_the_server() {
        let status = "42\n/data\n1\n5432\n\n127.0.0.1\n  1 2\nready   \n";
        assert_eq!(ready(status), Some(42));
        assert_eq!(ready(&status.replace("ready", "starting")), None);
        assert_eq!(ready("42\n/data\n"), None);
    }
}
