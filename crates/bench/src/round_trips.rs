//! Round trips, counted by a proxy between client and server: the number of times that the client
//! sends after the server has sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use neobank_db::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bank::Bank;
use crate::error::BenchError;
use crate::host::Host;
use crate::load::Mover;
use crate::options::Options;
use crate::way::Way;
use crate::way::classic::Classic;
use crate::way::engine::{GroupCommit, Single};

/// Data that the client sends together may arrive in pieces; a silence of this length ends it.
const PIECES: Duration = Duration::from_millis(2);
const TRANSFERS: usize = 21;

/// Counts the round trips of a lone caller's transfer, on a warmed-up connection.
pub(crate) async fn of(
    way: Way,
    options: &Options,
    host: &Host,
    bank: &mut Bank,
) -> Result<f64, BenchError> {
    let config = host.application(1)?;
    let Some((name, port)) = config.hosts.first().zip(config.ports.first()) else {
        return Err(BenchError::other(
            "round trips",
            "the server has no address",
        ));
    };
    let (proxy, trips) = proxy(name.clone(), *port)
        .await
        .map_err(|error| BenchError::other("round trips", error))?;
    let mut behind = host.application(1)?;
    behind.hosts = vec!["127.0.0.1".to_owned()];
    behind.ports = vec![proxy];
    let counted = match way {
        Way::Classic => {
            let through = format!("127.0.0.1:{proxy}");
            let url = host.url.replacen(&format!("{name}:{port}"), &through, 1);
            count(&Classic::connect_to(&url, 1).await?, &trips).await?
        }
        Way::Single => {
            let database = Database::connect(behind).await?;
            count(&Single::new(&database, options)?, &trips).await?
        }
        _ => {
            let database = Database::connect(behind).await?;
            count(&GroupCommit::new(&database, options)?, &trips).await?
        }
    };
    bank.transfers += 2 + u64::try_from(TRANSFERS).unwrap_or(u64::MAX);
    Ok(f64::from(counted))
}

async fn count(mover: &impl Mover, trips: &AtomicU32) -> Result<u32, BenchError> {
    let key = || Some(uuid::Uuid::now_v7().simple().to_string());
    for _ in 0..2 {
        mover.transfer(0, 1, key()).await?;
    }
    // The median: on a busy machine a late piece occasionally counts as a trip of its own.
    let mut counted = Vec::with_capacity(TRANSFERS);
    for _ in 0..TRANSFERS {
        let before = trips.load(Ordering::Acquire);
        mover.transfer(0, 1, key()).await?;
        counted.push(trips.load(Ordering::Acquire).wrapping_sub(before));
    }
    counted.sort_unstable();
    Ok(counted.get(TRANSFERS / 2).copied().unwrap_or_default())
}

async fn proxy(host: String, port: u16) -> std::io::Result<(u16, Arc<AtomicU32>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let own = listener.local_addr()?.port();
    let trips = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&trips);
    tokio::spawn(async move {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect((host.as_str(), port)).await?;
        forward(client, server, &counted).await
    });
    Ok((own, trips))
}

async fn forward(
    mut client: TcpStream,
    mut server: TcpStream,
    trips: &AtomicU32,
) -> std::io::Result<()> {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    let mut server_spoke_last = true;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let length = read?;
                if length == 0 {
                    return Ok(());
                }
                if std::mem::replace(&mut server_spoke_last, false) {
                    trips.fetch_add(1, Ordering::AcqRel);
                }
                tokio::time::sleep(PIECES).await;
                server.write_all(from_client.get(..length).unwrap_or_default()).await?;
            }
            read = server.read(&mut from_server) => {
                let length = read?;
                if length == 0 {
                    return Ok(());
                }
                server_spoke_last = true;
                tokio::time::sleep(PIECES).await;
                client.write_all(from_server.get(..length).unwrap_or_default()).await?;
            }
        }
    }
}
