//! The sockets on which the server listens.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket, UnixStream};

use crate::address::ListenAddress;
use crate::stream::Stream;

/// The most connections that wait for the server to accept them; the system may allow fewer. With
/// the usual 128, connections that begin together are lost, and their clients try again after a
/// second.
const BACKLOG: u32 = 4_096;

/// A socket on which the server listens.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Listens on an address.
    pub(crate) async fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => bind_tcp(*address).map(Self::Tcp),
            ListenAddress::Unix(path) => Ok(Self::Unix(bind_unix(path).await?, path.clone())),
        }
    }

    /// Returns the address as clients write it, with the port that the system chose.
    pub(crate) fn address(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => Ok(format!("http://{}", listener.local_addr()?)),
            Self::Unix(_, path) => Ok(ListenAddress::Unix(path.clone()).to_string()),
        }
    }

    /// Returns the next connection, with the address at its other end.
    pub(crate) async fn accept(&self) -> io::Result<(Box<dyn Stream>, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), Some(peer.ip())))
            }
            Self::Unix(listener, _) => Ok((Box::new(listener.accept().await?.0), None)),
        }
    }
}

/// The path of a Unix socket stays behind a process, and would keep the next one from listening.
impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A server that starts again finds its port still held by its last connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens on a path. A process that was killed leaves its path behind, and the system refuses
/// connections to it.
async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let listen = || {
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        socket.listen(BACKLOG)
    };
    match listen() {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            match UnixStream::connect(path).await {
                Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path)?;
                    listen()
                }
                _ => Err(error),
            }
        }
        bound => bound,
    }
}
