//! The configuration of a pool: its servers, its role, and every limit.

mod environment;
mod error;
pub(crate) mod keys;
mod passfile;
mod secret;
mod target;
mod url;

use std::path::PathBuf;
use std::time::Duration;

pub use environment::environment_variable;
pub use error::ConfigError;
pub(crate) use secret::Secret;
pub(crate) use target::ServerRole;
pub use target::{AuthMethods, ChannelBinding, TargetSessionAttrs};

use crate::pool::{ANSWER_GRACE, AutoSize};

/// The servers, the role, and every limit of a pool.
///
/// Create it from a URL ([`DatabaseConfig::from_url`]) or from the environment
/// ([`DatabaseConfig::from_environment`]), then change single fields. `Debug` hides the password.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use neobank_db::DatabaseConfig;
///
/// let mut config = DatabaseConfig::from_url("postgresql://teller:s3cret@localhost:5432/bank")?;
/// config.pool_max = 8;
/// config.acquire_timeout = Duration::from_millis(500);
/// assert!(!format!("{config:?}").contains("s3cret"));
/// # Ok::<(), neobank_db::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DatabaseConfig {
    /// The hosts in the order in which they are tried: names, addresses, or folders of Unix sockets
    /// (beginning with `/`).
    pub hosts: Vec<String>,
    /// A port for each host, or one for all.
    pub ports: Vec<u16>,
    /// The name of the database.
    pub database: String,
    /// The role that logs in.
    pub user: String,
    password: Option<Secret>,
    /// libpq's password file, read at each connect where no password is given. The environment
    /// names it by `PGPASSFILE`; the default is `.pgpass` in the home folder.
    pub passfile: Option<PathBuf>,
    /// The role that each session acts as from its start (`SET ROLE`), such as `neobank_app`.
    pub role: Option<String>,
    /// The name in `pg_stat_activity` and in the server's log; at most 63 bytes.
    pub application_name: String,
    /// The number of connections that are opened at the start and kept when idle.
    pub pool_min: usize,
    /// The highest number of connections; at least 1.
    pub pool_max: usize,
    /// The highest number of waiting callers; any further one gets
    /// [`DatabaseError::PoolOverloaded`](crate::DatabaseError) at once.
    pub waiters_max: usize,
    /// The automatic sizing between `pool_min` and `pool_max`. Without it, the size is `pool_max`.
    pub auto_size: Option<AutoSize>,
    /// The longest wait for a connection, after which the caller gets
    /// [`DatabaseError::PoolTimeout`](crate::DatabaseError).
    pub acquire_timeout: Duration,
    /// The longest time to open a connection to one address of a host.
    pub connect_timeout: Duration,
    /// The wanted kind of server, where there are several.
    pub target_session_attrs: TargetSessionAttrs,
    /// The binding of the password's proof to the server's certificate.
    pub channel_binding: ChannelBinding,
    /// The authentication methods that the server may use. Without it: SCRAM or no password at all,
    /// and with verified TLS every method.
    pub require_auth: Option<AuthMethods>,
    /// The time after which an idle connection above `pool_min` is closed.
    pub idle_timeout: Duration,
    /// The server's limit on one statement.
    pub statement_timeout: Duration,
    /// The server's limit on one wait for a lock.
    pub lock_timeout: Duration,
    /// The server's limit on an idle transaction.
    pub idle_in_transaction_timeout: Duration,
    /// The longest wait for the answer to `COMMIT`, after which its outcome is unknown.
    pub commit_timeout: Duration,
    /// The longest recovery of a connection that a dropped future left behind, after which it is
    /// closed.
    pub recovery_timeout: Duration,
    /// Makes [`Database::connect`](crate::Database::connect) fail when a setting of the server, the
    /// database or the role makes reads or writes untrustworthy ([`Harm::Truth`](crate::Harm)). A
    /// program that inspects a broken database sets `false`.
    pub reject_hostile_settings: bool,
    /// The protection of the connection.
    pub tls: TlsMode,
    /// The pooler between the client and the server.
    pub pooler: Pooler,
}

/// The protection of a connection. No mode encrypts without verifying the server, and none falls
/// back to plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMode {
    /// No encryption. The default if every host is a Unix socket or a loopback address, and allowed
    /// for every host: a private network may suffice.
    Disable,
    /// TLS 1.2 or newer with a trusted certificate that carries the server's name. The default for
    /// all other hosts, and wherever a root certificate is given.
    VerifyFull {
        /// A PEM file of the trusted authorities; without one, those of the operating system.
        root_certificate: Option<PathBuf>,
    },
}

/// The pooler between the client and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooler {
    /// None, or a pooler in session mode: timeouts are set at the start of the session, and
    /// statements are prepared once.
    None,
    /// PgBouncer in transaction mode: no session state; timeouts are set in each transaction, and
    /// nothing stays prepared.
    Transaction,
}

impl DatabaseConfig {
    /// Parses `postgresql://user:password@host:port/database?application_name=…&sslmode=…`.
    ///
    /// The options of the URL have libpq's meanings: `sslmode` (`disable` or `verify-full`),
    /// `sslrootcert`, `application_name`, `connect_timeout` (in seconds), `host` and `port` (for
    /// Unix sockets: `host=/folder`), `user`, `password`, `passfile`, `dbname`,
    /// `target_session_attrs`, `channel_binding`, `require_auth`. Any other option is rejected by
    /// name; docs/configuration.md lists them all.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the part that is missing or wrong, and never shows the password.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        url::parse(url)
    }

    /// Reads the environment: `DATABASE_URL`, or `DB_HOST`, `DB_PORT`, `DB_NAME`, `DB_USER` and
    /// `DB_PASSWORD`. In both cases it also reads the limits `DB_POOL_MIN`, `DB_POOL_MAX`,
    /// `DB_POOL_WAITERS_MAX`, `DB_ACQUIRE_TIMEOUT`, `DB_CONNECT_TIMEOUT`, `DB_IDLE_TIMEOUT`,
    /// `DB_STATEMENT_TIMEOUT`, `DB_LOCK_TIMEOUT`, `DB_IDLE_IN_TRANSACTION_TIMEOUT`,
    /// `DB_COMMIT_TIMEOUT` and `DB_POOL_AUTO_SIZE` (durations such as `500ms` or `2s`), and
    /// `DB_APPLICATION_NAME`, `DB_ROLE`, `DB_TLS_MODE` (`disable`, `verify-full`),
    /// `DB_TLS_ROOT_CERTIFICATE`, `DB_TARGET_SESSION_ATTRS`, `DB_CHANNEL_BINDING`,
    /// `DB_REQUIRE_AUTH`, `DB_POOLER` (`none`, `transaction`), `PGPASSFILE` and `HOME`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the variable that is missing or wrong, or is not UTF-8, and never shows
    /// the password.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::try_from_variables(environment_variable)
    }

    /// As [`DatabaseConfig::from_environment`], from any source of variables that can fail.
    ///
    /// # Errors
    ///
    /// The first error of the source, otherwise as [`DatabaseConfig::from_environment`].
    pub fn try_from_variables(
        variable: impl Fn(&str) -> Result<Option<String>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let failure = std::cell::OnceCell::new();
        let config = environment::read(|name| {
            variable(name).unwrap_or_else(|error| {
                // Only the first error is returned.
                let _ = failure.set(error);
                None
            })
        });
        match failure.into_inner() {
            Some(error) => Err(error),
            None => config,
        }
    }

    /// As [`DatabaseConfig::from_environment`], from any source of variables.
    ///
    /// # Errors
    ///
    /// As [`DatabaseConfig::from_environment`].
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_db::DatabaseConfig;
    ///
    /// let error = DatabaseConfig::from_variables(|name| match name {
    ///     "DATABASE_URL" => Some("postgresql://teller@localhost/bank".to_owned()),
    ///     "DB_POOL_MAX" => Some("many".to_owned()),
    ///     _ => None,
    /// })
    /// .unwrap_err();
    /// assert_eq!(error.to_string(), "DB_POOL_MAX is not a whole number: \"many\"");
    /// ```
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        environment::read(variable)
    }

    /// Sets the password.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Secret::new(password));
        self
    }

    /// Sets the role that each session acts as.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// Validates every field, as [`Database::connect`](crate::Database::connect) does first.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first field that is wrong, and its value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.hosts.is_empty() || self.hosts.iter().any(String::is_empty) {
            return Err(ConfigError::missing("host"));
        }
        if self.ports.len() != 1 && self.ports.len() != self.hosts.len() {
            return Err(ConfigError::invalid(
                "port",
                format!("{:?}", self.ports),
                "one port, or one for each host",
            ));
        }
        if self.database.is_empty() {
            return Err(ConfigError::missing("database"));
        }
        if self.user.is_empty() {
            return Err(ConfigError::missing("user"));
        }
        if self.pool_max == 0 {
            return Err(ConfigError::invalid("pool_max", "0", "at least 1"));
        }
        if self.pool_min > self.pool_max {
            return Err(ConfigError::invalid(
                "pool_min",
                self.pool_min.to_string(),
                "at most pool_max",
            ));
        }
        if self
            .auto_size
            .is_some_and(|auto| auto.interval < Duration::from_millis(10) || auto.instances == 0)
        {
            return Err(ConfigError::invalid(
                "auto_size",
                format!("{:?}", self.auto_size),
                "an interval of at least 10 ms, and at least 1 instance",
            ));
        }
        if self.application_name.len() > 63 {
            return Err(ConfigError::invalid(
                "application_name",
                &self.application_name,
                "at most 63 bytes",
            ));
        }
        // PostgreSQL reads this as "no other role", so the session would have the login role's
        // privileges.
        if self
            .role
            .as_deref()
            .is_some_and(|role| role.eq_ignore_ascii_case("none"))
        {
            return Err(ConfigError::invalid("role", "none", "a role"));
        }
        self.texts()
            .try_for_each(|(field, text)| match text.contains('\0') {
                true => Err(ConfigError::invalid(
                    field,
                    text,
                    "a text without a NUL character",
                )),
                false => Ok(()),
            })?;
        self.durations()
            .into_iter()
            .try_for_each(|(field, duration)| {
                // PostgreSQL stores its timeouts as milliseconds in 32 bits, and reads 0 as "no
                // limit".
                match duration.as_millis() {
                    1..=2_147_483_647 => Ok(()),
                    _ => Err(ConfigError::invalid(
                        field,
                        format!("{duration:?}"),
                        "between 1 ms and 24 days",
                    )),
                }
            })
    }

    pub(crate) fn new(hosts: Vec<String>, database: String, user: String) -> Self {
        let tls = if hosts.iter().all(|host| is_local(host)) {
            TlsMode::Disable
        } else {
            TlsMode::VerifyFull {
                root_certificate: None,
            }
        };
        Self {
            hosts,
            ports: vec![5432],
            database,
            user,
            password: None,
            passfile: None,
            role: None,
            application_name: "neobank".to_owned(),
            pool_min: 0,
            pool_max: 10,
            waiters_max: 10_000,
            auto_size: None,
            acquire_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(5),
            target_session_attrs: TargetSessionAttrs::default(),
            channel_binding: ChannelBinding::default(),
            require_auth: None,
            idle_timeout: Duration::from_secs(300),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_secs(30),
            commit_timeout: Duration::from_secs(30),
            recovery_timeout: Duration::from_secs(2),
            reject_hostile_settings: true,
            tls,
            pooler: Pooler::None,
        }
    }

    /// Returns the limit of an in-doubt resolution: the sum of `idle_in_transaction_timeout` and
    /// `lock_timeout`. After that time the server has ended an abandoned session, and waits for its
    /// locks are over.
    #[must_use]
    pub fn in_doubt_limit(&self) -> Duration {
        self.idle_in_transaction_timeout
            .saturating_add(self.lock_timeout)
    }

    /// Returns the longest time from a call to the answer of a statement with its commit: the wait
    /// for a connection, the statement, five seconds of grace, and the commit. After that time the
    /// client closes the connection.
    #[must_use]
    pub fn silence_limit(&self) -> Duration {
        self.acquire_timeout
            .saturating_add(self.statement_timeout)
            .saturating_add(ANSWER_GRACE)
            .saturating_add(self.commit_timeout)
    }

    /// Returns the authentication methods that the server may use.
    pub(crate) fn allowed_auth_methods(&self) -> AuthMethods {
        self.require_auth.unwrap_or(match self.tls {
            TlsMode::Disable => AuthMethods::without_tls(),
            TlsMode::VerifyFull { .. } => AuthMethods::all(),
        })
    }

    #[cfg(test)]
    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(Secret::expose)
    }

    /// Returns the password for one of the servers: the given one, or that of the password file.
    pub(crate) fn password_for(&self, host: &str, port: u16) -> Option<Secret> {
        self.password.clone().or_else(|| {
            let login = passfile::Login {
                host,
                port,
                database: &self.database,
                user: &self.user,
            };
            passfile::find(self.passfile.as_ref()?, login)
        })
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("database", &self.database),
            ("user", &self.user),
            ("application_name", &self.application_name),
        ]
        .into_iter()
        .map(|(field, text)| (field, text.as_str()))
        .chain(self.role.as_deref().map(|role| ("role", role)))
    }

    fn durations(&self) -> [(&'static str, Duration); 8] {
        [
            ("acquire_timeout", self.acquire_timeout),
            ("connect_timeout", self.connect_timeout),
            ("idle_timeout", self.idle_timeout),
            ("statement_timeout", self.statement_timeout),
            ("lock_timeout", self.lock_timeout),
            (
                "idle_in_transaction_timeout",
                self.idle_in_transaction_timeout,
            ),
            ("commit_timeout", self.commit_timeout),
            ("recovery_timeout", self.recovery_timeout),
        ]
    }
}

/// The longest duration that PostgreSQL's settings can store.
const NO_LIMIT: Duration = Duration::from_millis(2_147_483_647);

/// Returns true for this machine: a Unix socket's folder, or a loopback name or address.
fn is_local(host: &str) -> bool {
    host.starts_with('/')
        || host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
