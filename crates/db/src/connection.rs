//! One connection to the server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tokio::io::AsyncReadExt;
use tokio::task::AbortHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};

use crate::address::Address;
use crate::config::{DatabaseConfig, Pooler};
use crate::error::DatabaseError;
use crate::pool::{CloseReason, Life};
use crate::tls::Connector;

/// A connection with what is known of its state.
pub(crate) struct Connection {
    client: Client,
    /// Reads from and writes to the socket; aborting it closes the socket at once, whatever the server does.
    task: AbortHandle,
    heard: Arc<Heard>,
    /// Where a cancel request is sent and can be waited for.
    cancel_at: Option<Address>,
    connector: Connector,
    /// The statements that are prepared on this connection, by their text.
    prepared: Mutex<HashMap<&'static str, tokio_postgres::Statement>>,
    /// Whether the server has said, after all that was sent, that no transaction is open.
    pub(crate) clean: bool,
    pub(crate) last_used: Instant,
    /// Set by the pool, which counts connections.
    pub(crate) life: Option<Life>,
}

/// What the server said without having been asked.
#[derive(Default)]
struct Heard {
    /// Why it ended the session.
    end: OnceLock<DatabaseError>,
    /// The wait for a standby was cancelled since this was last asked.
    not_replicated: AtomicBool,
}

impl Connection {
    /// Connects to the first address that answers.
    pub(crate) async fn open(
        config: &DatabaseConfig,
        connector: &Connector,
    ) -> Result<Self, DatabaseError> {
        let mut failure = DatabaseError::Connect {
            reason: "no host is given".to_owned(),
            server: None,
        };
        for address in Address::all(&config.hosts, &config.ports) {
            match Self::open_at(config, connector, address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn open_at(
        config: &DatabaseConfig,
        connector: &Connector,
        address: Address,
    ) -> Result<Self, DatabaseError> {
        let driver = driver_config(config, &address);
        let heard = Arc::<Heard>::default();
        let opening = async {
            match connector {
                Connector::Plain => driver
                    .connect(NoTls)
                    .await
                    .map(|(client, connection)| (client, run(connection, Arc::clone(&heard)))),
                Connector::Tls(tls) => driver
                    .connect(tls.clone())
                    .await
                    .map(|(client, connection)| (client, run(connection, Arc::clone(&heard)))),
            }
        };
        // The driver's own limit is for each address that a name stands for, and only for the network.
        let (client, task) = tokio::time::timeout(config.connect_timeout, opening)
            .await
            .map_err(|_| DatabaseError::Connect {
                reason: format!(
                    "no answer from {} within {:?}",
                    address.host, config.connect_timeout
                ),
                server: None,
            })?
            .map_err(|error| DatabaseError::from_connect(&error))?;
        Ok(Self {
            client,
            task,
            heard,
            connector: connector.clone(),
            // Behind TLS or a pooler nobody can tell when a cancel request has arrived.
            cancel_at: (matches!(connector, Connector::Plain) && config.pooler == Pooler::None)
                .then_some(address),
            prepared: Mutex::default(),
            clean: true,
            last_used: Instant::now(),
            life: None,
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The prepared form of a statement; prepared on first use.
    pub(crate) async fn prepare(
        &self,
        sql: &'static str,
        types: &[Type],
    ) -> Result<tokio_postgres::Statement, tokio_postgres::Error> {
        let known = self
            .prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sql)
            .cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare_typed(sql, types).await?;
        self.prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sql, statement.clone());
        Ok(statement)
    }

    /// Lets every prepared statement go; they are prepared anew when they are next used.
    ///
    /// Needed after a change of a table, when the server refuses the plans that were made before it.
    pub(crate) fn forget_prepared(&self) {
        self.prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Why it will have been closed, should it be closed now.
    pub(crate) fn closing(&mut self, reason: CloseReason) {
        if let Some(life) = &mut self.life {
            life.closing(reason);
        }
    }

    /// Why the server ended the session, if it has said so.
    pub(crate) fn end(&self) -> Option<DatabaseError> {
        self.heard.end.get().cloned()
    }

    /// Whether a wait for a standby was cancelled since this was last asked.
    pub(crate) fn take_not_replicated(&self) -> bool {
        self.heard.not_replicated.swap(false, Ordering::AcqRel)
    }

    /// The process id that the other side announced at the start: the backend's, or one that a pooler made up. None behind
    /// TLS. The driver keeps it to itself, but writes its request to cancel, where it stands, wherever it is told to.
    pub(crate) async fn announced_process_id(&self) -> Option<i32> {
        const LENGTH_CODE_PROCESS_AND_KEY: usize = 16;
        if !matches!(self.connector, Connector::Plain) {
            return None;
        }
        let (near, mut far) = tokio::io::duplex(LENGTH_CODE_PROCESS_AND_KEY);
        let token = self.client.cancel_token();
        token.cancel_query_raw(near, NoTls).await.ok()?;
        let mut request = [0; LENGTH_CODE_PROCESS_AND_KEY];
        far.read_exact(&mut request).await.ok()?;
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = request;
        Some(i32::from_be_bytes([a, b, c, d]))
    }

    /// Closes the socket at once, whoever else still has this connection.
    pub(crate) fn close(&self) {
        self.task.abort();
    }

    /// Cancels what this connection is running, and waits until the request cannot hit anything later.
    ///
    /// # Errors
    ///
    /// When it cannot be known whether the request has arrived: then nobody may use the connection again.
    pub(crate) async fn cancel(&self) -> Result<(), String> {
        match &self.cancel_at {
            Some(address) => address.cancel_and_wait(&self.client.cancel_token()).await,
            None => {
                if let Connector::Tls(tls) = &self.connector {
                    // The server's statement should end; the connection is closed in any case.
                    let _ = self.client.cancel_token().cancel_query(tls.clone()).await;
                }
                Err("the arrival of its cancel request cannot be waited for".to_owned())
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("clean", &self.clean)
            .finish_non_exhaustive()
    }
}

fn run<S, T>(mut connection: tokio_postgres::Connection<S, T>, heard: Arc<Heard>) -> AbortHandle
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            match std::future::poll_fn(|context| connection.poll_message(context)).await {
                None => return,
                Some(Ok(tokio_postgres::AsyncMessage::Notice(notice))) => {
                    // The warning has no SQLSTATE of its own and its text is translated; this name never is.
                    if notice.routine() == Some("SyncRepWaitForLSN") {
                        heard.not_replicated.store(true, Ordering::Release);
                    }
                    tracing::debug!(
                        sqlstate = notice.code().code(),
                        "notice: {}",
                        notice.message()
                    );
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    // Whoever waits for an answer gets the error; an idle connection's end is only worth a line.
                    tracing::debug!("connection ended: {error}");
                    if error.as_db_error().is_some() {
                        let _ = heard.end.set(DatabaseError::from_driver(&error));
                    }
                    return;
                }
            }
        }
    })
    .abort_handle()
}

fn driver_config(config: &DatabaseConfig, address: &Address) -> tokio_postgres::Config {
    let mut driver = tokio_postgres::Config::new();
    driver
        .host(&address.host)
        .port(address.port)
        .dbname(&config.database)
        .user(&config.user)
        .application_name(&config.application_name)
        .connect_timeout(config.connect_timeout)
        .keepalives_idle(std::time::Duration::from_secs(30))
        .tcp_user_timeout(
            config
                .statement_timeout
                .saturating_add(config.recovery_timeout),
        )
        .ssl_mode(match config.tls {
            crate::config::TlsMode::Disable => tokio_postgres::config::SslMode::Disable,
            crate::config::TlsMode::VerifyFull { .. } => tokio_postgres::config::SslMode::Require,
        });
    if let Some(password) = config.password() {
        driver.password(password);
    }
    if config.pooler == Pooler::None {
        driver.options(session_options(config));
    }
    driver
}

/// Settings for the whole session, as the server's command line options. A transaction pooler would drop or mix them.
fn session_options(config: &DatabaseConfig) -> String {
    let mut options = format!(
        "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
        config.statement_timeout.as_millis(),
        config.lock_timeout.as_millis(),
        config.idle_in_transaction_timeout.as_millis(),
    );
    if let Some(role) = &config.role {
        options.push_str(" -c role=");
        for character in role.chars() {
            if character.is_whitespace() || character == '\\' {
                options.push('\\');
            }
            options.push(character);
        }
    }
    options
}
