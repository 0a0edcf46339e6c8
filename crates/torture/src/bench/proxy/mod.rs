//! A proxy between the load and the server, or its pooler: the network whose faults are injected.

mod commit;
mod connection;
mod frames;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) use connection::Cut;

/// The address to which proxies connect; a failover changes it.
#[derive(Clone, Debug)]
pub(crate) struct Upstream(Arc<Mutex<u16>>);

/// A proxy for any number of connections. It ends with the runtime.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

/// The weather of the network.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) to_server: Flow,
    pub(crate) to_client: Flow,
    /// New connections are closed at once.
    pub(crate) refuses: bool,
    /// The fault of each so many-th commit.
    pub(crate) at_commit: Option<(AtCommit, u64)>,
}

/// The treatment of the bytes in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    /// Bytes wait until the proxy stalls no more.
    pub(crate) stalls: bool,
    /// The delay of each chunk.
    pub(crate) delay: Duration,
    /// The most that is added to the delay, at random.
    pub(crate) jitter: Duration,
    /// The bytes for each second; zero for no limit.
    pub(crate) bytes_per_second: u32,
    /// The most bytes of a chunk; zero for no limit.
    pub(crate) chunk: usize,
    /// Corrupts the type of each so many-th message; zero for none.
    pub(crate) corrupts: u64,
}

/// A cut around a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtCommit {
    /// The server never gets the commit.
    Before,
    /// The server gets the commit, and the connection ends at once.
    During,
    /// The server has answered, and the caller never gets the answer.
    After,
    /// The caller's connection ends, and the server gets the commit a while later.
    Late,
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    weather: Mutex<Weather>,
    cut: watch::Sender<(u64, Cut)>,
    commits: AtomicU64,
    messages: AtomicU64,
}

impl Upstream {
    pub(crate) fn new(port: u16) -> Self {
        Self(Arc::new(Mutex::new(port)))
    }

    pub(crate) fn set(&self, port: u16) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = port;
    }

    fn address(&self) -> SocketAddr {
        let port = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}

impl Proxy {
    /// Starts a proxy before an address of this machine.
    pub(crate) async fn start(upstream: Upstream) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            weather: Mutex::default(),
            cut: watch::Sender::new((0, Cut::Close)),
            commits: AtomicU64::new(0),
            messages: AtomicU64::new(0),
        });
        let given = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if given.weather().refuses {
                    continue;
                }
                tokio::spawn(serve(client, Arc::clone(&given)));
            }
        });
        Ok(Self { port, shared })
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Changes the weather for all connections, those that are open too.
    pub(crate) fn set(&self, weather: Weather) {
        *self.shared.weather() = weather;
    }

    /// Ends every open connection.
    pub(crate) fn cut(&self, cut: Cut) {
        self.shared.cut.send_modify(|(number, kind)| {
            *number += 1;
            *kind = cut;
        });
    }
}

impl Shared {
    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the fault of the commit that is sent now.
    fn at_commit(&self) -> Option<AtCommit> {
        let (fault, every) = self.weather().at_commit?;
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        number.is_multiple_of(every.max(1)).then_some(fault)
    }

    /// Returns whether the message that begins now is corrupted.
    fn corrupts(&self, flow: Flow) -> bool {
        if flow.corrupts == 0 {
            return false;
        }
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        number % flow.corrupts == flow.corrupts - 1
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(shared.upstream.address()).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    connection::forward(client, server, &shared).await;
}
