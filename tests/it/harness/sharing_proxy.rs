//! An undeclared pooler in transaction mode: its clients share few server connections, statement by
//! statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use neobank_db::DatabaseConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

pub(crate) struct SharingProxy {
    port: u16,
}

struct Shared {
    address: (String, u16),
    size: usize,
    servers: Mutex<Vec<Arc<Mutex<TcpStream>>>>,
    /// The server's messages between a client's authentication and its first statement.
    greeting: Mutex<Vec<u8>>,
    turn: AtomicUsize,
}

impl SharingProxy {
    /// Starts a proxy with this many connections to the server, each opened for one of its first
    /// clients, and then gives every statement to the next of them.
    pub(crate) async fn before(config: &DatabaseConfig, size: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            address: (config.hosts[0].clone(), config.ports[0]),
            size,
            servers: Mutex::default(),
            greeting: Mutex::default(),
            turn: AtomicUsize::new(0),
        });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&shared)));
            }
        });
        Self { port }
    }

    pub(crate) fn stand_before(&self, config: &mut DatabaseConfig) {
        config.hosts = vec!["127.0.0.1".to_owned()];
        config.ports = vec![self.port];
    }
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let length = client.read_u32().await.ok()?;
    let mut startup = vec![0; length as usize - 4];
    client.read_exact(&mut startup).await.ok()?;
    let mut servers = shared.servers.lock().await;
    if servers.len() < shared.size {
        let mut server = TcpStream::connect((shared.address.0.as_str(), shared.address.1))
            .await
            .ok()?;
        server.write_u32(length).await.ok()?;
        server.write_all(&startup).await.ok()?;
        *shared.greeting.lock().await = authenticate(&mut client, &mut server).await?;
        servers.push(Arc::new(Mutex::new(server)));
    } else {
        // Authentication succeeds at once, as a pooler that trusts its clients does.
        client
            .write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 0])
            .await
            .ok()?;
        client.write_all(&shared.greeting.lock().await).await.ok()?;
    }
    drop(servers);
    loop {
        let mut request = Vec::new();
        // Up to Sync or a simple query, to which the server responds with ReadyForQuery.
        loop {
            let (kind, message) = read_message(&mut client).await?;
            if kind == b'X' {
                return None;
            }
            request.extend(message);
            if kind == b'S' || kind == b'Q' {
                break;
            }
        }
        let servers = shared.servers.lock().await;
        let turn = shared.turn.fetch_add(1, Ordering::SeqCst) % servers.len();
        let server = Arc::clone(&servers[turn]);
        drop(servers);
        let mut server = server.lock().await;
        server.write_all(&request).await.ok()?;
        loop {
            let (kind, message) = read_message(&mut server).await?;
            // A disconnected client must not leave a response to the next one.
            let _ = client.write_all(&message).await;
            if kind == b'Z' {
                break;
            }
        }
    }
}

/// Forwards the password exchange between client and server, and returns the messages after it.
async fn authenticate(client: &mut TcpStream, server: &mut TcpStream) -> Option<Vec<u8>> {
    let mut greeting = Vec::new();
    let mut authenticated = false;
    loop {
        let (kind, message) = read_message(server).await?;
        client.write_all(&message).await.ok()?;
        if authenticated {
            greeting.extend(&message);
        }
        match (kind, message.get(5..9)) {
            (b'R', Some([0, 0, 0, 0])) => authenticated = true,
            // The end of SCRAM needs no reply.
            (b'R', Some([0, 0, 0, 12])) => {}
            (b'R', _) => {
                let (_, answer) = read_message(client).await?;
                server.write_all(&answer).await.ok()?;
            }
            (b'Z', _) => return Some(greeting),
            (b'E', _) => return None,
            _ => {}
        }
    }
}

async fn read_message(from: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = from.read_u8().await.ok()?;
    let length = from.read_u32().await.ok()?;
    let mut message = vec![kind];
    message.extend(length.to_be_bytes());
    message.resize(length as usize + 1, 0);
    from.read_exact(&mut message[5..]).await.ok()?;
    Some((kind, message))
}
