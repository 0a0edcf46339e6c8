//! One connection through the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::commit::Statements;
use super::frames::Frames;
use super::{AtCommit, Flow, Shared};

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both sides see an orderly end.
    Close,
    /// Both sides see a reset.
    Reset,
    /// The server sees the end of the client's stream; its answers still arrive.
    HalfClose,
    /// Neither side sees an end: no byte of this connection arrives any more.
    Silence,
}

/// The delay of a commit that outlives its caller's connection.
const LATENESS: Duration = Duration::from_millis(300);

/// The longest life of a connection after a half close or in silence.
const AFTERLIFE: Duration = Duration::from_secs(8);

const CHECK: Duration = Duration::from_millis(10);

enum End {
    Closed,
    Late(Vec<u8>),
}

pub(super) async fn forward(mut client: TcpStream, mut server: TcpStream, shared: &Arc<Shared>) {
    let mut cut = shared.cut.subscribe();
    let withheld = AtomicBool::new(false);
    let mut late = None;
    let mut kind = Cut::Close;
    {
        let (client_read, mut client_write) = client.split();
        let (server_read, mut server_write) = server.split();
        let mut up = Box::pin(to_server(client_read, &mut server_write, shared, &withheld));
        let down = to_client(server_read, &mut client_write, shared, &withheld);
        tokio::pin!(down);
        tokio::select! {
            end = &mut up => if let End::Late(bytes) = end { late = Some(bytes); },
            () = &mut down => {}
            _ = cut.changed() => kind = cut.borrow().1,
        }
        if kind == Cut::HalfClose {
            drop(up);
            let _ = server_write.shutdown().await;
            let _ = tokio::time::timeout(AFTERLIFE, down).await;
        }
    }
    match kind {
        Cut::Reset => {
            let at_once = Some(Duration::ZERO);
            let _ = SockRef::from(&client).set_linger(at_once);
            let _ = SockRef::from(&server).set_linger(at_once);
        }
        Cut::Silence => tokio::time::sleep(AFTERLIFE).await,
        Cut::Close | Cut::HalfClose => {}
    }
    if let Some(bytes) = late {
        drop(client);
        tokio::time::sleep(LATENESS).await;
        let _ = server.write_all(&bytes).await;
        // Waits until the server has executed it.
        let _ = tokio::time::timeout(AFTERLIFE, server.read(&mut [0; 1024])).await;
    }
}

async fn to_server(
    mut from: ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    shared: &Shared,
    withheld: &AtomicBool,
) -> End {
    let mut buffer = vec![0; 65_536];
    let mut statements = Statements::default();
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else {
            return End::Closed;
        };
        let Some(bytes) = buffer.get(..length) else {
            return End::Closed;
        };
        let fault = if statements.commits(bytes) {
            shared.at_commit()
        } else {
            None
        };
        match fault {
            Some(AtCommit::Before) => return End::Closed,
            Some(AtCommit::Late) => return End::Late(bytes.to_vec()),
            Some(AtCommit::After) => withheld.store(true, Ordering::SeqCst),
            Some(AtCommit::During) | None => {}
        }
        let flow = || shared.weather().to_server;
        if deliver(bytes, to, flow).await.is_err() || fault == Some(AtCommit::During) {
            return End::Closed;
        }
    }
}

async fn to_client(
    mut from: ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    shared: &Shared,
    withheld: &AtomicBool,
) {
    let mut buffer = vec![0; 65_536];
    let mut frames = Frames::default();
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if withheld.load(Ordering::SeqCst) {
            return;
        }
        let Some(bytes) = buffer.get_mut(..length) else {
            return;
        };
        let flow = || shared.weather().to_client;
        frames.each_type(bytes, |kind| {
            if shared.corrupts(flow()) {
                *kind = 0xff;
            }
        });
        if deliver(bytes, to, flow).await.is_err() {
            return;
        }
    }
}

/// Delivers bytes in the weather of the moment.
async fn deliver(
    bytes: &[u8],
    to: &mut WriteHalf<'_>,
    flow: impl Fn() -> Flow,
) -> std::io::Result<()> {
    let now = flow();
    let chunk = if now.chunk == 0 {
        bytes.len()
    } else {
        now.chunk
    };
    for part in bytes.chunks(chunk.max(1)) {
        let now = flow();
        let jitter = now.jitter.as_micros().try_into().unwrap_or(u64::MAX);
        let jitter = Duration::from_micros(rand::rng().random_range(0..=jitter));
        let mut pause = now.delay + jitter;
        if let Some(nanoseconds) = 1_000_000_000_u64.checked_div(u64::from(now.bytes_per_second)) {
            pause += Duration::from_nanos(nanoseconds) * u32::try_from(part.len()).unwrap_or(1);
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        while flow().stalls {
            tokio::time::sleep(CHECK).await;
        }
        to.write_all(part).await?;
    }
    Ok(())
}
