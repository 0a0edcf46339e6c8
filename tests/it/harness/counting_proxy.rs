//! A proxy that counts round trips: the number of times that the client sends after the server has
//! sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use neobank_db::DatabaseConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct CountingProxy {
    port: u16,
    round_trips: Arc<AtomicU32>,
}

impl CountingProxy {
    /// Starts a proxy for one connection to the server of this configuration.
    pub(crate) async fn before(config: DatabaseConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let round_trips = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&round_trips);
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect((config.hosts[0].as_str(), config.ports[0]))
                .await
                .unwrap();
            forward(client, server, &counted).await;
        });
        Self { port, round_trips }
    }

    pub(crate) fn stand_before(&self, config: &mut DatabaseConfig) {
        config.hosts = vec!["127.0.0.1".to_owned()];
        config.ports = vec![self.port];
    }

    pub(crate) fn round_trips(&self) -> u32 {
        self.round_trips.load(Ordering::SeqCst)
    }
}

async fn forward(mut client: TcpStream, mut server: TcpStream, round_trips: &AtomicU32) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    let mut server_spoke_last = true;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(length) if length > 0 => {
                    if std::mem::replace(&mut server_spoke_last, false) {
                        round_trips.fetch_add(1, Ordering::SeqCst);
                    }
                    // Data that the client wrote in pieces arrives together.
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    server.write_all(&from_client[..length]).await.unwrap();
                }
                _ => return,
            },
            read = server.read(&mut from_server) => match read {
                Ok(length) if length > 0 => {
                    server_spoke_last = true;
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    client.write_all(&from_server[..length]).await.unwrap();
                }
                _ => return,
            },
        }
    }
}
