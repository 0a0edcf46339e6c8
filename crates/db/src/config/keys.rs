//! The names of options and variables. docs/configuration.md lists the same; a test compares them.

/// The supported options of a URL. Other options of libpq are rejected by name.
pub(crate) const URL_KEYS: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "passfile",
    "password",
    "port",
    "require_auth",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

/// The supported variables of the environment.
#[cfg(test)]
pub(crate) const VARIABLES: &[&str] = &[
    "DATABASE_URL",
    "DB_ACQUIRE_TIMEOUT",
    "DB_APPLICATION_NAME",
    "DB_CHANNEL_BINDING",
    "DB_COMMIT_TIMEOUT",
    "DB_CONNECT_TIMEOUT",
    "DB_HOST",
    "DB_IDLE_IN_TRANSACTION_TIMEOUT",
    "DB_IDLE_TIMEOUT",
    "DB_LOCK_TIMEOUT",
    "DB_NAME",
    "DB_PASSWORD",
    "DB_POOLER",
    "DB_POOL_AUTO_SIZE",
    "DB_POOL_MAX",
    "DB_POOL_MIN",
    "DB_POOL_WAITERS_MAX",
    "DB_PORT",
    "DB_REQUIRE_AUTH",
    "DB_ROLE",
    "DB_STATEMENT_TIMEOUT",
    "DB_TARGET_SESSION_ATTRS",
    "DB_TLS_MODE",
    "DB_TLS_ROOT_CERTIFICATE",
    "DB_USER",
    "HOME",
    "PGPASSFILE",
];
