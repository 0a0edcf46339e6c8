//! The configuration of PgBouncer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PgbouncerVersion;

/// The configuration of PgBouncer, built with [`PgbouncerConfig::new`] and then changed field by
/// field. Its JSON is the parameter of the SQL function `pooling.generate_pgbouncer_config`, which
/// writes the same text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PgbouncerConfig {
    /// The version of PgBouncer.
    pub version: PgbouncerVersion,
    /// The moment when a client returns its server connection.
    pub pool_mode: PoolMode,
    /// The databases that clients may name; at least one.
    pub databases: Vec<PoolDatabase>,
    /// The number of users of each database: each has a pool of its own there. At least 1.
    pub users: u32,
    /// Connections of one pool; at least 1, because 0 means no limit from 1.24 on.
    pub pool_size: u32,
    /// Connections that a pool keeps open.
    pub min_pool_size: u32,
    /// Further connections of a pool, for clients that have waited for 3 s.
    pub reserve_pool_size: u32,
    /// The most connections of all pools of a database together; none for no limit.
    pub max_db_connections: Option<u32>,
    /// The most clients; at least 1.
    pub max_client_conn: u32,
    /// Named prepared statements that each server connection keeps, for drivers that need them. The
    /// driver of neobank-db sends none in transaction mode, so 0 is enough for it. More than 0
    /// needs PgBouncer 1.21 and transaction mode.
    pub max_prepared_statements: u32,
    /// The address to listen on; none for Unix sockets alone.
    pub listen_addr: Option<String>,
    /// The port, also of the Unix socket; at least 1.
    pub listen_port: u16,
    /// The folder of the Unix socket; none for TCP alone.
    pub unix_socket_dir: Option<String>,
    /// The file of users and secrets.
    pub auth_file: String,
    /// The file of rules for clients' addresses; without one, every user with a password may
    /// connect.
    pub auth_hba_file: Option<String>,
    /// The query for users that are not in `auth_file`.
    pub auth_query: Option<AuthQuery>,
    /// Users with all rights on the console.
    pub admin_users: Vec<String>,
    /// Users with read access to the console.
    pub stats_users: Vec<String>,
    /// The certificate for clients. Without one they connect in plain text, which is accepted only
    /// from clients of this machine, unless `plain_text` allows others.
    pub client_tls: Option<ClientTls>,
    /// A PEM file of the authorities that must have signed a server's certificate. Without one,
    /// connections to servers are in plain text, which is accepted only for a server of this
    /// machine, unless `plain_text` allows others.
    pub server_tls_ca_file: Option<String>,
    /// Allows passwords and data on a network in plain text, to servers and from clients of other
    /// machines.
    pub plain_text: bool,
    /// The file of the process id.
    pub pidfile: Option<String>,
    /// The file of the log; without one it goes to the error output.
    pub logfile: Option<String>,
    /// Further settings of the section `[pgbouncer]`. Settings that are always written are rejected
    /// here.
    pub further: BTreeMap<String, String>,
    /// The connections that the server has for the pools.
    pub budget: ServerBudget,
    /// The limit of PgBouncer's process on open files (`ulimit -n`).
    pub file_descriptors: u32,
}

/// The moment when a client returns its server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PoolMode {
    /// When it disconnects.
    Session,
    /// When its transaction ends.
    Transaction,
}

/// A database that clients may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PoolDatabase {
    /// The name for clients: letters, digits and `_`, `.`, `-`.
    pub name: String,
    /// The server: a name, an address, or the folder of a Unix socket.
    pub host: String,
    /// Its port; at least 1.
    pub port: u16,
    /// The database's name on the server, which may have any character except control characters.
    pub database: String,
    /// Connections of one pool, if not [`PgbouncerConfig::pool_size`].
    pub pool_size: Option<u32>,
}

/// The query for users that are not in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuthQuery {
    /// The user that runs the query: a user of `auth_file` with the privilege to.
    pub user: String,
    /// The query with `$1` for the user's name. The default reads `pg_authid`, honours `VALID
    /// UNTIL`, and does not depend on `search_path`.
    pub query: Option<String>,
    /// The database of the query, from 1.19 on; without one, the client's database.
    pub database: Option<String>,
}

/// The certificate for clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientTls {
    /// A PEM file of the certificate.
    pub cert_file: String,
    /// A PEM file of its key.
    pub key_file: String,
}

/// The connections that the server has for the pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerBudget {
    /// The server's `max_connections`.
    pub max_connections: u32,
    /// The server's `superuser_reserved_connections`.
    pub superuser_reserved_connections: u32,
    /// The server's `reserved_connections` (PostgreSQL 16 and newer).
    pub reserved_connections: u32,
    /// Connections of others that bypass PgBouncer.
    pub other_connections: u32,
    /// PgBouncer instances with this file before the same server; at least 1.
    pub instances: u32,
}

impl PgbouncerConfig {
    /// Creates a configuration in transaction mode for one database, one user, a pool of 20 and
    /// 1,000 clients on the loopback address, before a server with PostgreSQL's own defaults.
    #[must_use]
    pub fn new(version: PgbouncerVersion, database: PoolDatabase) -> Self {
        let follows = version >= PgbouncerVersion::PREPARED_STATEMENTS;
        Self {
            version,
            pool_mode: PoolMode::Transaction,
            databases: vec![database],
            users: 1,
            pool_size: 20,
            min_pool_size: 0,
            reserve_pool_size: 5,
            max_db_connections: None,
            max_client_conn: 1000,
            max_prepared_statements: if follows { 200 } else { 0 },
            listen_addr: Some("127.0.0.1".to_owned()),
            listen_port: 6432,
            unix_socket_dir: None,
            auth_file: "/etc/pgbouncer/userlist.txt".to_owned(),
            auth_hba_file: None,
            auth_query: None,
            admin_users: Vec::new(),
            stats_users: Vec::new(),
            client_tls: None,
            server_tls_ca_file: None,
            plain_text: false,
            pidfile: None,
            logfile: None,
            further: BTreeMap::new(),
            budget: ServerBudget {
                max_connections: 100,
                superuser_reserved_connections: 3,
                reserved_connections: 0,
                other_connections: 0,
                instances: 1,
            },
            file_descriptors: 65_536,
        }
    }
}

impl PoolDatabase {
    /// Creates a database with the same name for clients as on the server.
    #[must_use]
    pub fn new(name: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        let name = name.into();
        Self {
            database: name.clone(),
            name,
            host: host.into(),
            port,
            pool_size: None,
        }
    }
}

impl AuthQuery {
    /// Creates a query that `user` runs in the client's database, with the default text.
    #[must_use]
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            query: None,
            database: None,
        }
    }

    /// Sets the query, with `$1` for the user's name.
    #[must_use]
    pub fn with_query(mut self, query: impl Into<Option<String>>) -> Self {
        self.query = query.into();
        self
    }

    /// Sets the database of the query.
    #[must_use]
    pub fn with_database(mut self, database: impl Into<Option<String>>) -> Self {
        self.database = database.into();
        self
    }
}

impl ClientTls {
    /// Creates a certificate from its PEM file and the PEM file of its key.
    #[must_use]
    pub fn new(cert_file: impl Into<String>, key_file: impl Into<String>) -> Self {
        Self {
            cert_file: cert_file.into(),
            key_file: key_file.into(),
        }
    }
}

impl PoolMode {
    /// Returns the mode as PgBouncer writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
        }
    }
}
