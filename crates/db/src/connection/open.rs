//! The opening of a connection: the addresses of the hosts in turn, and the wanted kind of server.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio_postgres::NoTls;

use super::Connection;
use super::address::Address;
use super::auth_check::{AuthCheckedStream, AuthCheckedTls};
use super::notices::{Notices, spawn_io};
use super::settings::session_options;
use super::socket::Endpoint;
use crate::config::{ChannelBinding, DatabaseConfig, Pooler, ServerRole, TargetSessionAttrs};
use crate::error::{DatabaseError, sqlstate};
use crate::tls::{self, Connector};

impl Connection {
    /// Connects to the first address whose server is of the wanted kind.
    ///
    /// [`DatabaseConfig::connect_timeout`] applies to each address of each host, so that an
    /// unresponsive one leaves time for the others. Returns the last failure, or the first one that
    /// a server itself reported.
    pub(crate) async fn open(
        config: &DatabaseConfig,
        connector: &Connector,
    ) -> Result<Self, DatabaseError> {
        let wanted = config.target_session_attrs;
        match Self::open_first(config, connector, wanted).await {
            // No host meets the preference, so it is dropped.
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
        let needs_role = match wanted {
            TargetSessionAttrs::Any => false,
            preference if preference.is_preference() => config.hosts.len() > 1,
            _ => true,
        };
        let opening = async {
            let connection = opening.await?;
            if needs_role {
                let role = connection.query_role().await?;
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
        let notices = Arc::<Notices>::default();
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
                .connect_raw(AuthCheckedStream::new(socket, allowed), NoTls)
                .await
                .map(|(client, connection)| (client, spawn_io(connection, Arc::clone(&notices)))),
            Connector::Tls(tls) => {
                let tls = AuthCheckedTls {
                    tls: tls::connect(tls, &address.host),
                    allowed,
                };
                driver
                    .connect_raw(socket, tls)
                    .await
                    .map(|(client, connection)| {
                        (client, spawn_io(connection, Arc::clone(&notices)))
                    })
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
            // Behind TLS or a pooler the client cannot tell when a cancel request has arrived.
            can_wait_for_cancel: matches!(connector, Connector::Plain)
                && config.pooler == Pooler::None,
            host: address.host.clone(),
            endpoint,
            prepared: Mutex::default(),
            clean: true,
            last_used: Instant::now(),
            opened: Instant::now(),
            lifetime: None,
        })
    }

    /// Returns the role of the server. PostgreSQL reports it without being asked; a pooler may not.
    async fn query_role(&self) -> Result<ServerRole, DatabaseError> {
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
}

/// Selects the failure to return: that of a server that answered, otherwise the later one.
fn worse(before: Option<DatabaseError>, now: DatabaseError) -> DatabaseError {
    match before {
        Some(before) if before.server().is_some() && now.server().is_none() => before,
        _ => now,
    }
}

/// Adds a remedy to the failure of a pooler that rejected the session's settings.
fn with_advice_on_poolers(failure: DatabaseError) -> DatabaseError {
    match failure {
        DatabaseError::Connect {
            reason,
            server: Some(server),
        } if server.sqlstate == sqlstate::PROTOCOL_VIOLATION => DatabaseError::Connect {
            reason: format!("{reason}; {}", crate::pooler::UNDECLARED),
            server: Some(server),
        },
        other => other,
    }
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
        // A transaction pooler would drop these options or apply them to other clients.
        driver.options(session_options(config));
    }
    driver
}
