//! One connection to the server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Address, CANCEL_LIMIT};
use crate::announced;
use crate::config::{ChannelBinding, DatabaseConfig, Pooler, ServerRole, TargetSessionAttrs};
use crate::error::DatabaseError;
use crate::pool::{CloseReason, Life};
use crate::settings::session_options;
use crate::socket::{Endpoint, Guarded, GuardedTls, Socket};
use crate::tls::Connector;

/// A connection with what is known of its state.
pub(crate) struct Connection {
    client: Client,
    /// Reads from and writes to the socket; aborting it closes the socket at once, whatever the server does.
    task: AbortHandle,
    notices: Arc<Heard>,
    /// Whether the arrival of a cancel request can be waited for.
    can_wait_for_cancel: bool,
    host: String,
    /// Where it leads, and where cancel requests go: another address of the host may be another server.
    endpoint: Endpoint,
    connector: Connector,
    /// The statements that are prepared on this connection, by their text.
    prepared: Mutex<HashMap<&'static str, tokio_postgres::Statement>>,
    /// Whether the server has said, after all that was sent, that no transaction is open.
    pub(crate) clean: bool,
    pub(crate) last_used: Instant,
    opened: Instant,
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
    /// A write was refused because it, or the session, is read only.
    refused_write: AtomicBool,
    /// `REPORTED`, `IN_RECOVERY` and `READ_ONLY`.
    role: AtomicU8,
}

const REPORTED: u8 = 1;
const IN_RECOVERY: u8 = 2;
const READ_ONLY: u8 = 4;

/// How old a connection to a server that is not preferred gets before the preferred one is looked for again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

impl Heard {
    /// Keeps what the server reports of itself; PostgreSQL does so again whenever it changes.
    fn note_role<S, T>(&self, connection: &tokio_postgres::Connection<S, T>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let Some(in_recovery) = connection.parameter("in_hot_standby") else {
            return;
        };
        let mut role = REPORTED;
        if in_recovery == "on" {
            role |= IN_RECOVERY;
        }
        if connection.parameter("default_transaction_read_only") == Some("on") {
            role |= READ_ONLY;
        }
        self.role.store(role, Ordering::Release);
    }
}

/// The failure to tell of two: that of a server that answered, else the later one.
fn worse(before: Option<DatabaseError>, now: DatabaseError) -> DatabaseError {
    match before {
        Some(before) if before.server().is_some() && now.server().is_none() => before,
        _ => now,
    }
}

/// Adds what to do where a pooler has refused the settings that come with a session.
fn with_advice_on_poolers(failure: DatabaseError) -> DatabaseError {
    const PROTOCOL_VIOLATION: &str = "08P01";
    match failure {
        DatabaseError::Connect {
            reason,
            server: Some(server),
        } if server.sqlstate == PROTOCOL_VIOLATION => DatabaseError::Connect {
            reason: format!("{reason}; {}", crate::pooler::UNDECLARED),
            server: Some(server),
        },
        other => other,
    }
}

fn tls_connect(
    tls: &MakeRustlsConnect,
    host: &str,
) -> <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect {
    let Ok(connect) = MakeTlsConnect::<Socket>::make_tls_connect(&mut tls.clone(), host);
    connect
}

impl Connection {
    /// Connects to the first address whose server is of the kind that the configuration wants.
    ///
    /// Each address of each host has [`DatabaseConfig::connect_timeout`] of its own, so that one that swallows everything
    /// leaves the others their time. The last failure is returned, or the first where the server itself gave the reason.
    pub(crate) async fn open(
        config: &DatabaseConfig,
        connector: &Connector,
    ) -> Result<Self, DatabaseError> {
        let wanted = config.target_session_attrs;
        match Self::open_first(config, connector, wanted).await {
            // A preference that no host meets is given up.
            Err(_) if wanted.is_preference() && config.hosts.len() > 1 => {
                Self::open_first(config, connector, TargetSessionAttrs::Any).await
            }
            other => other,
        }
    }

    async fn open_first(
        config: &DatabaseConfig,
        connector: &Connector,
        wanted: TargetSessionAttrs,
    ) -> Result<Self, DatabaseError> {
        let mut failure: Option<DatabaseError> = None;
        for address in Address::all(&config.hosts, &config.ports) {
            let named = |reason: String| DatabaseError::Connect {
                reason: format!("{}: {reason}", address.host),
                server: None,
            };
            let found = tokio::time::timeout(config.connect_timeout, address.endpoints()).await;
            let endpoints = match found {
                Ok(Ok(endpoints)) => endpoints,
                Ok(Err(error)) => {
                    failure = Some(worse(failure, named(error.to_string())));
                    continue;
                }
                Err(_) => {
                    failure = Some(worse(
                        failure,
                        named("its name was not resolved".to_owned()),
                    ));
                    continue;
                }
            };
            for endpoint in endpoints {
                match Self::open_at(config, connector, &address, endpoint, wanted).await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => failure = Some(worse(failure, error)),
                }
            }
        }
        Err(failure.unwrap_or_else(|| DatabaseError::Connect {
            reason: "no host has an address".to_owned(),
            server: None,
        }))
    }

    async fn open_at(
        config: &DatabaseConfig,
        connector: &Connector,
        address: &Address,
        endpoint: Endpoint,
        wanted: TargetSessionAttrs,
    ) -> Result<Self, DatabaseError> {
        let failed = |reason: String| DatabaseError::Connect {
            reason,
            server: None,
        };
        let opening = Self::open_endpoint(config, connector, address, endpoint.clone());
        let asks = match wanted {
            TargetSessionAttrs::Any => false,
            preference if preference.is_preference() => config.hosts.len() > 1,
            _ => true,
        };
        let opening = async {
            let connection = opening.await?;
            if asks {
                let role = connection.ask_role().await?;
                if let Some(objection) = wanted.objection(role) {
                    return Err(failed(format!(
                        "{} is not wanted: {objection}",
                        address.host
                    )));
                }
            }
            Ok(connection)
        };
        match tokio::time::timeout(config.connect_timeout, opening).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failed(format!(
                "no answer from {} ({endpoint}) within {:?}",
                address.host, config.connect_timeout
            ))),
        }
    }

    async fn open_endpoint(
        config: &DatabaseConfig,
        connector: &Connector,
        address: &Address,
        endpoint: Endpoint,
    ) -> Result<Self, DatabaseError> {
        let driver = driver_config(config, address);
        let notices = Arc::<Heard>::default();
        let user_timeout = config
            .statement_timeout
            .saturating_add(config.recovery_timeout);
        let socket =
            endpoint
                .connect(user_timeout)
                .await
                .map_err(|error| DatabaseError::Connect {
                    reason: format!("{} ({endpoint}): {error}", address.host),
                    server: None,
                })?;
        let allowed = config.allowed_auth_methods();
        let opened = match connector {
            Connector::Plain => driver
                .connect_raw(Guarded::new(socket, allowed), NoTls)
                .await
                .map(|(client, connection)| (client, run(connection, Arc::clone(&notices)))),
            Connector::Tls(tls) => {
                let tls = GuardedTls {
                    tls: tls_connect(tls, &address.host),
                    allowed,
                };
                driver
                    .connect_raw(socket, tls)
                    .await
                    .map(|(client, connection)| (client, run(connection, Arc::clone(&notices))))
            }
        };
        let (client, task) = opened.map_err(|error| {
            let failure = DatabaseError::from_connect(&error);
            match config.pooler {
                Pooler::None => with_advice_on_poolers(failure),
                Pooler::Transaction => failure,
            }
        })?;
        Ok(Self {
            client,
            task,
            notices,
            connector: connector.clone(),
            // Behind TLS or a pooler nobody can tell when a cancel request has arrived.
            can_wait_for_cancel: matches!(connector, Connector::Plain)
                && config.pooler == Pooler::None,
            host: address.host.clone(),
            endpoint,
            prepared: Mutex::default(),
            clean: true,
            last_used: Instant::now(),
            opened: Instant::now(),
            life: None,
        })
    }

    /// What the server is. PostgreSQL reports it without being asked; a pooler may not.
    async fn ask_role(&self) -> Result<ServerRole, DatabaseError> {
        if let Some(role) = self.server_role() {
            return Ok(role);
        }
        let messages = self
            .client
            .simple_query(
                "SELECT pg_catalog.pg_is_in_recovery(), \
                 pg_catalog.current_setting('default_transaction_read_only')",
            )
            .await
            .map_err(|error| DatabaseError::from_connect(&error))?;
        let row = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.ok_or(DatabaseError::NoRow)?;
        Ok(ServerRole {
            in_recovery: row.get(0) == Some("t"),
            read_only: row.get(1) == Some("on"),
        })
    }

    /// What the server last reported to be; `None` where it does not, as behind a pooler.
    pub(crate) fn server_role(&self) -> Option<ServerRole> {
        let reported = self.notices.role.load(Ordering::Acquire);
        (reported & REPORTED != 0).then_some(ServerRole {
            in_recovery: reported & IN_RECOVERY != 0,
            read_only: reported & READ_ONLY != 0,
        })
    }

    /// Whether the pool should look for another server: this one refused a write as read only and was no primary, or it is
    /// not of the kind that is wanted (any more).
    pub(crate) fn is_misplaced(&self, config: &DatabaseConfig) -> bool {
        let role = self.server_role();
        let refused = self.notices.refused_write.load(Ordering::Acquire);
        if refused && role.is_none_or(|role| role.in_recovery || role.read_only) {
            return true;
        }
        let wanted = config.target_session_attrs;
        let objects = role.is_some_and(|role| wanted.objection(role).is_some());
        match wanted {
            // Where only a standby answers it is used, and a primary looked for again and again.
            TargetSessionAttrs::PreferPrimary => {
                objects && config.hosts.len() > 1 && self.opened.elapsed() > LOOK_AGAIN_AFTER
            }
            TargetSessionAttrs::PreferStandby => false,
            _ => objects,
        }
    }

    /// Notes that the server refused to write, because it, or the session, is read only.
    pub(crate) fn note_refused_write(&self) {
        self.notices.refused_write.store(true, Ordering::Release);
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
        self.notices.end.get().cloned()
    }

    /// Whether a wait for a standby was cancelled since this was last asked.
    pub(crate) fn take_not_replicated(&self) -> bool {
        self.notices.not_replicated.swap(false, Ordering::AcqRel)
    }

    /// The process id that the other side announced at the start: the backend's, or one that a
    /// pooler made up.
    pub(crate) async fn announced_process_id(&self) -> Option<i32> {
        let is_encrypted = matches!(self.connector, Connector::Tls(_));
        announced::process_id(&self.client.cancel_token(), is_encrypted).await
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
        let token = self.client.cancel_token();
        if self.can_wait_for_cancel {
            return self.endpoint.cancel_and_wait(&token).await;
        }
        if let Connector::Tls(tls) = &self.connector {
            // The server's statement should end; the connection is closed in any case.
            if let Ok(socket) = self.endpoint.connect(CANCEL_LIMIT).await {
                let _ = token
                    .cancel_query_raw(socket, tls_connect(tls, &self.host))
                    .await;
            }
        }
        Err("the arrival of its cancel request cannot be waited for".to_owned())
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

fn run<S, T>(mut connection: tokio_postgres::Connection<S, T>, notices: Arc<Heard>) -> AbortHandle
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    notices.note_role(&connection);
    tokio::spawn(async move {
        loop {
            let message = std::future::poll_fn(|context| {
                let message = connection.poll_message(context);
                notices.note_role(&connection);
                message
            });
            match message.await {
                None => return,
                Some(Ok(tokio_postgres::AsyncMessage::Notice(notice))) => {
                    // The warning has no SQLSTATE of its own and its text is translated; this name never is.
                    if notice.routine() == Some("SyncRepWaitForLSN") {
                        notices.not_replicated.store(true, Ordering::Release);
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
                        let _ = notices.end.set(DatabaseError::from_driver(&error));
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
        .dbname(&config.database)
        .user(&config.user)
        .application_name(&config.application_name)
        .channel_binding(match config.channel_binding {
            ChannelBinding::Disable => tokio_postgres::config::ChannelBinding::Disable,
            ChannelBinding::Prefer => tokio_postgres::config::ChannelBinding::Prefer,
            ChannelBinding::Require => tokio_postgres::config::ChannelBinding::Require,
        })
        .ssl_mode(match config.tls {
            crate::config::TlsMode::Disable => tokio_postgres::config::SslMode::Disable,
            crate::config::TlsMode::VerifyFull { .. } => tokio_postgres::config::SslMode::Require,
        });
    if let Some(password) = config.password_for(&address.host, address.port) {
        driver.password(password.expose());
    }
    if config.pooler == Pooler::None {
        // A transaction pooler would drop or mix them.
        driver.options(session_options(config));
    }
    driver
}
