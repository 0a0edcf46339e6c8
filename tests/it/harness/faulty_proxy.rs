//! A proxy that occasionally cuts a connection, delays it, or falls silent on it permanently, at
//! any byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use neobank_db::DatabaseConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct FaultyProxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    sound: AtomicBool,
    messages: AtomicU64,
    cuts: AtomicU64,
    delays: AtomicU64,
    silences: AtomicU64,
}

/// The frequencies: one message of so many is cut off, delayed, or the last one of its connection.
const CUT: u64 = 97;
const DELAY: u64 = 41;
const SILENCE: u64 = 523;

impl FaultyProxy {
    /// Starts a proxy for any number of connections to the server of this configuration.
    pub(crate) async fn before(config: &DatabaseConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (host, server_port) = (config.hosts[0].clone(), config.ports[0]);
        let shared = Arc::<Shared>::default();
        let given = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((host.as_str(), server_port)).await;
                tokio::spawn(forward(client, server.unwrap(), Arc::clone(&given)));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn stand_before(&self, config: &mut DatabaseConfig) {
        config.hosts = vec!["127.0.0.1".to_owned()];
        config.ports = vec![self.port];
    }

    /// Forwards everything from now on, except on the silent connections.
    pub(crate) fn get_well(&self) {
        self.shared.sound.store(true, Ordering::SeqCst);
    }

    /// Returns the numbers of messages that were cut off, delayed, and followed by silence.
    pub(crate) fn faults(&self) -> [u64; 3] {
        let Shared {
            cuts,
            delays,
            silences,
            ..
        } = &*self.shared;
        [cuts, delays, silences].map(|count| count.load(Ordering::SeqCst))
    }
}

async fn forward(mut client: TcpStream, mut server: TcpStream, shared: Arc<Shared>) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        let (bytes, to) = tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(length) if length > 0 => (&from_client[..length], &mut server),
                _ => return,
            },
            read = server.read(&mut from_server) => match read {
                Ok(length) if length > 0 => (&from_server[..length], &mut client),
                _ => return,
            },
        };
        let number = shared.messages.fetch_add(1, Ordering::SeqCst);
        let falls_on = |every: u64, count: &AtomicU64| {
            let falls = number % every == every - 1 && !shared.sound.load(Ordering::SeqCst);
            count.fetch_add(u64::from(falls), Ordering::SeqCst);
            falls
        };
        if falls_on(SILENCE, &shared.silences) {
            break;
        }
        if falls_on(CUT, &shared.cuts) {
            // Only the first half arrives.
            let _ = to.write_all(&bytes[..bytes.len() / 2]).await;
            return;
        }
        if falls_on(DELAY, &shared.delays) {
            tokio::time::sleep(Duration::from_millis(20 + number % 200)).await;
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
    // Until the client drops the connection; its messages are discarded.
    while client
        .read(&mut from_client)
        .await
        .is_ok_and(|read| read > 0)
    {}
}
