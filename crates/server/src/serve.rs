//! The server: connections, their limits, and the way to stop.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::middleware::from_fn;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use crate::address::ListenAddress;
use crate::console::{ConsoleOptions, console};
use crate::idle::{Activity, GRACE, Watched};
use crate::listener::Listener;
use crate::middleware::{Peer, encrypted};
use crate::places::{Crowded, Place, Places};
use crate::resources::router;
use crate::state::ServiceState;
use crate::stream::Stream;
use crate::tls::{Handshake, Tls};
use crate::workers::Workers;

/// A server of the API on one address.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    address: String,
    state: ServiceState,
    console: Option<ConsoleOptions>,
    tls: Option<Tls>,
    workers: Workers,
}

/// The pause after a failure to accept a connection, when the machine has run out of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The answer to a connection above the limit.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

impl Server {
    /// Listens on an address.
    ///
    /// # Errors
    ///
    /// The system's error, such as of a port that is in use.
    pub async fn bind(address: &ListenAddress, state: ServiceState) -> io::Result<Self> {
        let listener = Listener::bind(address).await?;
        Ok(Self {
            address: listener.address()?,
            listener,
            state,
            console: None,
            tls: None,
            workers: Workers::default(),
        })
    }

    /// Returns the server with the console at `/console`.
    #[must_use]
    pub fn with_console(mut self, options: ConsoleOptions) -> Self {
        self.console = Some(options);
        self
    }

    /// Returns the server with TLS: it takes encrypted connections alone.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        if let Some(address) = self.address.strip_prefix("http://") {
            self.address = format!("https://{address}");
        }
        self.state.metrics().has_certificate(tls.expiry());
        self.tls = Some(tls);
        self
    }

    /// Sets the work that the server does beside its requests.
    #[must_use]
    pub const fn with_workers(mut self, workers: Workers) -> Self {
        self.workers = workers;
        self
    }

    /// The address on which the server listens, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Serves until `stop` ends. Then readiness turns off; after
    /// [`Limits::drain_delay`](crate::Limits::drain_delay) the server takes no more connections,
    /// and requests at work end within [`Limits::drain_timeout`](crate::Limits::drain_timeout).
    ///
    /// Returns the number of connections that did not end in time. Every answer that a client has
    /// received is true, and a client can repeat a request without an answer.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> usize {
        let limits = self.state.limits().clone();
        let places = Places::new(limits.connections_max);
        let (draining, drain) = watch::channel(false);
        let mut service = router(self.state.clone());
        if let Some(options) = self.console {
            service = service.merge(console(self.state.clone(), options));
        }
        let (handshake, _watch) = self.tls.map(Tls::watch).unzip();
        if handshake.is_some() {
            service = service.layer(from_fn(encrypted));
        }
        let state = self.state.clone();
        let workers = self.workers.start(&state);
        let stopped = async {
            stop.await;
            state.begin_to_stop();
            tokio::time::sleep(limits.drain_delay).await;
        };
        tokio::pin!(stopped);
        loop {
            let accepted = tokio::select! {
                () = &mut stopped => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        service: service.clone(),
                        state: state.clone(),
                        drain: drain.clone(),
                        crowded: places.crowded(),
                        peer,
                    };
                    let (places, handshake) = (places.clone(), handshake.clone());
                    match places.try_take() {
                        Some(place) => {
                            tokio::spawn(connection.run(place, stream, handshake));
                        }
                        None => {
                            tokio::spawn(connection.wait(places, stream, handshake));
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!("a connection was not accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let _ = draining.send(true);
        let unfinished = places.all_left(limits.drain_timeout).await;
        workers.finish().await;
        unfinished
    }
}

/// A connection that the listener has accepted.
struct Connection {
    service: Router,
    state: ServiceState,
    drain: watch::Receiver<bool>,
    crowded: Crowded,
    peer: Option<IpAddr>,
}

impl Connection {
    /// Serves the connection if it gets a place within a short time, and rejects it if not.
    async fn wait(self, places: Places, stream: Box<dyn Stream>, handshake: Option<Handshake>) {
        match places.take().await {
            Some(place) => self.run(place, stream, handshake).await,
            None => reject(stream, &self.state, handshake.is_some()).await,
        }
    }

    /// Encrypts the connection if the server has TLS, and serves its requests.
    async fn run(mut self, _place: Place, stream: Box<dyn Stream>, handshake: Option<Handshake>) {
        self.crowded.forget();
        let Some(handshake) = handshake else {
            return self.serve(stream).await;
        };
        let limit = self.state.limits().handshake_timeout;
        let encrypted = tokio::select! {
            encrypted = handshake.accept(stream, limit) => encrypted,
            () = draining(&mut self.drain) => return,
            () = self.crowded.outlasted(GRACE) => return,
        };
        match encrypted {
            Ok(stream) => self.serve(stream).await,
            Err(error) => tracing::debug!("a connection was not encrypted: {error}"),
        }
    }

    async fn serve(mut self, stream: impl Stream) {
        let limits = self.state.limits();
        let activity = Activity::default();
        let service = TowerToHyperService::new(self.service.clone());
        let service = service_fn(|mut request: Request<Incoming>| {
            if let Some(peer) = self.peer {
                request.extensions_mut().insert(Peer(peer));
            }
            activity.during(service.call(request))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(limits.header_bytes_max.max(8_192))
            .max_headers(limits.headers_max)
            .serve_connection(
                TokioIo::new(Watched::new(stream, activity.clone())),
                service,
            );
        tokio::pin!(connection);
        let asked_to_end = async {
            tokio::select! {
                () = draining(&mut self.drain) => {}
                // A request that is on its way is still served.
                () = self.crowded.wait() => activity.ended().await,
            }
        };
        let outcome = tokio::select! {
            outcome = &mut connection => outcome,
            () = asked_to_end => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    outcome = connection => outcome,
                    () = activity.ended() => return,
                }
            }
        };
        if let Err(error) = outcome {
            tracing::debug!("a connection ended early: {error}");
        }
    }
}

/// Waits until the server takes no more connections.
async fn draining(drain: &mut watch::Receiver<bool>) {
    drop(drain.wait_for(|is_draining| *is_draining).await);
}

/// Answers a connection above the limit, and closes it. With TLS it is only closed, because an answer
/// needs a handshake.
async fn reject(mut stream: Box<dyn Stream>, state: &ServiceState, has_tls: bool) {
    state.metrics().connection_rejected();
    if has_tls {
        return;
    }
    let answer = async {
        stream.write_all(TOO_MANY).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), answer).await;
}
