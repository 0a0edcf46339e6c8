//! A proxy that cuts the connection around a commit, or corrupts a `BEGIN`. The ledger's statement
//! that is a transaction of its own counts as a commit too.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use neobank_db::DatabaseConfig;
use neobank_entity::functions::banking::{PostTransfersOptimistic, PostTransfersPipelined};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const FORWARD: u8 = 0;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;
const SPOIL: u8 = 3;
const BETWEEN: u8 = 4;
const LATE: u8 = 5;
const FOR_GOOD: u8 = 6;

/// The delay of a withheld commit.
const LATENESS: Duration = Duration::from_millis(300);

/// Texts of statements that are transactions of their own: the calls of the posting functions, and
/// the mark that a test puts into its own statement.
const AUTOCOMMIT: [&str; 3] = [
    PostTransfersOptimistic::NAME,
    PostTransfersPipelined::NAME,
    "/* autocommit */",
];

pub(crate) struct CuttingProxy {
    port: u16,
    mode: Arc<AtomicU8>,
    answer_delay: Arc<AtomicU64>,
}

impl CuttingProxy {
    /// Starts a proxy for any number of connections to the server of this configuration.
    pub(crate) async fn before(config: &DatabaseConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = Arc::new(AtomicU8::new(FORWARD));
        let (host, server_port) = (config.hosts[0].clone(), config.ports[0]);
        let answer_delay = Arc::new(AtomicU64::new(0));
        let closed = Arc::new(AtomicBool::new(false));
        let shared = (Arc::clone(&mode), Arc::clone(&answer_delay), closed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.2.load(Ordering::SeqCst) {
                    continue;
                }
                let server = TcpStream::connect((host.as_str(), server_port))
                    .await
                    .unwrap();
                let (mode, delay, closed) = shared.clone();
                tokio::spawn(forward(client, server, mode, delay, closed));
            }
        });
        Self {
            port,
            mode,
            answer_delay,
        }
    }

    pub(crate) fn stand_before(&self, config: &mut DatabaseConfig) {
        config.hosts = vec!["127.0.0.1".to_owned()];
        config.ports = vec![self.port];
    }

    /// Drops the next commit and its connection; the server never sees the commit.
    pub(crate) fn cut_before_commit(&self) {
        self.mode.store(BEFORE, Ordering::SeqCst);
    }

    /// Forwards the next commit, waits until the server has responded, and drops the response and
    /// the connection.
    pub(crate) fn cut_after_commit(&self) {
        self.mode.store(AFTER, Ordering::SeqCst);
    }

    /// As [`CuttingProxy::cut_after_commit`], and then rejects every connection, old or new.
    pub(crate) fn cut_after_commit_for_good(&self) {
        self.mode.store(FOR_GOOD, Ordering::SeqCst);
    }

    /// Forwards the next commit, and cuts the connection at once, whether the server has executed
    /// it or not.
    pub(crate) fn cut_during_commit(&self) {
        self.mode.store(BETWEEN, Ordering::SeqCst);
    }

    /// Cuts the client's connection at the next commit, which arrives at the server a while later.
    pub(crate) fn cut_and_commit_late(&self) {
        self.mode.store(LATE, Ordering::SeqCst);
    }

    /// Forwards the next commit, and delays the server's responses from then on.
    pub(crate) fn delay_answer_to_commit(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).unwrap();
        self.answer_delay.store(milliseconds, Ordering::SeqCst);
    }

    /// Replaces the next `BEGIN` by a statement that fails, as a stray cancel request would.
    pub(crate) fn corrupt_begin(&self) {
        self.mode.store(SPOIL, Ordering::SeqCst);
    }
}

/// Finds the ledger's statement that posts and commits: where it is prepared, under a name, and
/// where it is executed.
#[derive(Default)]
struct Statements {
    posting: HashSet<Vec<u8>>,
}

impl Statements {
    fn is_run_in(&mut self, bytes: &[u8]) -> bool {
        let (mut rest, mut is_run) = (bytes, false);
        while rest.len() >= 5 {
            let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
            let body = &rest[5..rest.len().min(1 + length)];
            let mut texts = body.split(|byte| *byte == 0);
            let (first, second) = (texts.next(), texts.next());
            match (rest[0], first, second) {
                (b'P', Some(name), Some(sql)) if is_autocommit(sql) => {
                    self.posting.insert(name.to_vec());
                }
                (b'B', _, Some(name)) => is_run |= self.posting.contains(name),
                _ => {}
            }
            rest = rest.get(1 + length..).unwrap_or_default();
        }
        is_run
    }
}

fn is_autocommit(sql: &[u8]) -> bool {
    AUTOCOMMIT.iter().any(|name| contains(sql, name.as_bytes()))
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|word| word == text)
}

/// Returns the bytes with a failing statement instead of their leading `BEGIN`.
fn spoiled(message: &[u8]) -> Vec<u8> {
    let length = u32::from_be_bytes(message[1..5].try_into().unwrap()) as usize;
    let failing = b"SELECT 1/0\0";
    let mut bytes = vec![b'Q'];
    bytes.extend((failing.len() as u32 + 4).to_be_bytes());
    bytes.extend(failing);
    bytes.extend(&message[1 + length..]);
    bytes
}

async fn forward(
    mut client: TcpStream,
    mut server: TcpStream,
    mode: Arc<AtomicU8>,
    answer_delay: Arc<AtomicU64>,
    closed: Arc<AtomicBool>,
) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    let mut statements = Statements::default();
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(length) if length > 0 => {
                    let message = &from_client[..length];
                    let is_commit = contains(message, b"; COMMIT") | statements.is_run_in(message);
                    let cut = if is_commit { mode.swap(FORWARD, Ordering::SeqCst) } else { FORWARD };
                    if cut == BEFORE {
                        return;
                    }
                    if cut == LATE {
                        drop(client);
                        tokio::time::sleep(LATENESS).await;
                        server.write_all(&from_client[..length]).await.unwrap();
                        // Waits until the server has executed it.
                        let _ = server.read(&mut from_server).await;
                        return;
                    }
                    let is_begin = message.starts_with(b"Q") && message[5..].starts_with(b"BEGIN");
                    let spoil = is_begin && mode.compare_exchange(SPOIL, FORWARD, Ordering::SeqCst, Ordering::SeqCst).is_ok();
                    let bytes = if spoil { spoiled(message) } else { message.to_vec() };
                    server.write_all(&bytes).await.unwrap();
                    if cut == BETWEEN {
                        return;
                    }
                    if cut == FOR_GOOD {
                        closed.store(true, Ordering::SeqCst);
                    }
                    if cut == AFTER || cut == FOR_GOOD {
                        // The response proves that the commit is done; no client gets it.
                        let _ = server.read(&mut from_server).await;
                        return;
                    }
                    if is_commit {
                        tokio::time::sleep(Duration::from_millis(answer_delay.swap(0, Ordering::SeqCst))).await;
                    }
                }
                _ => return,
            },
            read = server.read(&mut from_server) => match read {
                Ok(length) if length > 0 => {
                    if client.write_all(&from_server[..length]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}
