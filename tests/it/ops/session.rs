//! Real sessions that hold locks and wait.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, NoTls};

/// The holder runs alone with transactions that want, or hold back, safe snapshots: such waits
/// reach across databases, so that the waits of two tests could form one cycle.
pub(crate) async fn safe_snapshots() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// A session of its own, which ends with this value.
pub(crate) struct Session {
    client: std::sync::Arc<Client>,
    pub(crate) pid: i32,
    connection: JoinHandle<()>,
}

impl Session {
    /// The server's deadlock search does not run within the time of a test.
    pub(crate) async fn open(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let connection = tokio::spawn(async {
            let _ = connection.await;
        });
        client
            .batch_execute("SET deadlock_timeout = '10min'")
            .await
            .unwrap();
        let pid = client
            .query_one("SELECT pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0);
        Self {
            client: std::sync::Arc::new(client),
            pid,
            connection,
        }
    }

    pub(crate) async fn run(&self, sql: &str) {
        tokio::time::timeout(Duration::from_secs(60), self.client.batch_execute(sql))
            .await
            .unwrap_or_else(|_| panic!("{sql}: it waits"))
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Sends statements that must wait, or fail, and does not wait for their end.
    pub(crate) fn send(&self, sql: &str) -> JoinHandle<Result<(), Error>> {
        let (client, sql) = (std::sync::Arc::clone(&self.client), sql.to_owned());
        tokio::spawn(async move { client.batch_execute(&sql).await })
    }

    /// Sends statements, and returns when the session waits for a lock, or for a safe snapshot.
    pub(crate) async fn wait(&self, observer: &Self, sql: &str) {
        let sent = self.send(sql);
        let waits = "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE pid = $1 AND NOT granted)
            OR EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND wait_event = 'SafeSnapshot')";
        super::until(sql, async || {
            assert!(!sent.is_finished(), "it does not wait: {sql}");
            let row = observer
                .client
                .query_one(waits, &[&self.pid])
                .await
                .unwrap();
            row.get::<_, bool>(0).then_some(())
        })
        .await;
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        self.client.query(sql, &[]).await.unwrap()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
