//! A proxy that falls silent: both ends stay open, and no byte is forwarded any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use neobank_db::DatabaseConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct StallingProxy {
    port: u16,
    silent: Arc<AtomicBool>,
}

impl StallingProxy {
    /// Starts a proxy for any number of connections to the server of this configuration.
    pub(crate) async fn before(config: &DatabaseConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = Arc::new(AtomicBool::new(false));
        let (host, server_port) = (config.hosts[0].clone(), config.ports[0]);
        let shared = Arc::clone(&silent);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((host.as_str(), server_port))
                    .await
                    .unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&shared)));
            }
        });
        Self { port, silent }
    }

    pub(crate) fn stand_before(&self, config: &mut DatabaseConfig) {
        config.hosts = vec!["127.0.0.1".to_owned()];
        config.ports = vec![self.port];
    }

    /// Forwards nothing from now on, in either direction, without closing a connection.
    pub(crate) fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    /// Forwards new bytes again; those of the meantime are lost.
    pub(crate) fn speak(&self) {
        self.silent.store(false, Ordering::SeqCst);
    }
}

async fn forward(mut client: TcpStream, mut server: TcpStream, silent: Arc<AtomicBool>) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        let (bytes, to) = tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(length) if length > 0 => (&from_client[..length], &mut server),
                _ => break,
            },
            read = server.read(&mut from_server) => match read {
                Ok(length) if length > 0 => (&from_server[..length], &mut client),
                _ => break,
            },
        };
        if !silent.load(Ordering::SeqCst) && to.write_all(bytes).await.is_err() {
            break;
        }
    }
    // During the silence, the end of one side is not forwarded to the other.
    while silent.load(Ordering::SeqCst) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
