//! The one connection of a roll-out.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sea_orm_migration::sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, SqlxPostgresConnector, Statement, Value,
};

use crate::error::RolloutError;

/// How long opening the connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a URL leads.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) options: PgConnectOptions,
    pub(crate) database: String,
    pub(crate) is_local: bool,
}

impl Target {
    pub(crate) fn new(url: &str) -> Result<Self, RolloutError> {
        let options = PgConnectOptions::from_str(url).map_err(|error| RolloutError::Url {
            reason: without_url(&error.to_string(), url),
        })?;
        let is_local = options.get_socket().is_some()
            || options.get_host().starts_with('/')
            || options.get_host() == "localhost"
            || options
                .get_host()
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        // The driver would fall back to plain text without a word; on the way to another machine that is no default.
        let says_tls = url.split_once('?').is_some_and(|(_, parameters)| {
            parameters.contains("sslmode=") || parameters.contains("ssl-mode=")
        });
        let options = if is_local || says_tls {
            options
        } else {
            options.ssl_mode(PgSslMode::VerifyFull)
        };
        let database = options
            .get_database()
            .unwrap_or(options.get_username())
            .to_owned();
        Ok(Self {
            options: options.application_name("neobank migrate"),
            database,
            is_local,
        })
    }

    /// Opens a pool of exactly one connection that is never replaced by itself: the session's lock lives on it.
    pub(crate) async fn connect(&self) -> Result<DatabaseConnection, RolloutError> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(CONNECT_TIMEOUT)
            .connect_with(self.options.clone())
            .await
            .map_err(|error| RolloutError::Connect {
                reason: error.to_string(),
            })?;
        Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
    }
}

/// The driver's own form would show the password.
impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Target")
            .field("database", &self.database)
            .field("is_local", &self.is_local)
            .finish_non_exhaustive()
    }
}

/// One row's first column, or `None` without a row.
pub(crate) async fn value<T: sea_orm_migration::sea_orm::TryGetable>(
    on: &impl ConnectionTrait,
    sql: &str,
    parameters: impl IntoIterator<Item = Value>,
) -> Result<Option<T>, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, parameters);
    on.query_one_raw(statement)
        .await?
        .map(|row| row.try_get_by_index(0))
        .transpose()
}

fn without_url(text: &str, url: &str) -> String {
    text.replace(url, "(the URL)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_and_loopback_addresses_are_local() {
        for local in [
            "postgresql://owner@localhost/bank",
            "postgresql://owner@127.0.0.1:5433/bank",
            "postgresql://owner@127.9.9.9/bank",
            "postgresql://owner@[::1]/bank",
            "postgresql://owner@%2Frun%2Fpostgresql/bank",
            "postgresql:///bank?host=/run/postgresql",
        ] {
            assert!(Target::new(local).unwrap().is_local, "{local}");
        }
        for far in [
            "postgresql://owner@bank.example/bank",
            "postgresql://owner@0.0.0.0/bank",
            "postgresql://owner@10.0.0.1/bank",
            "postgresql://owner@localhost.bank.example/bank",
            "postgresql://owner@localhost/bank?host=bank.example",
            "postgresql://owner@127.0.0.1/bank?hostaddr=10.0.0.1",
            "postgresql://localhost@bank.example/localhost",
        ] {
            assert!(!Target::new(far).unwrap().is_local, "{far}");
        }
    }

    #[test]
    fn another_machine_is_reached_by_verified_tls_unless_the_url_says_otherwise() {
        let mode = |url: &str| format!("{:?}", Target::new(url).unwrap().options.get_ssl_mode());
        assert_eq!(mode("postgresql://owner@bank.example/bank"), "VerifyFull");
        // A password that looks like a parameter is none.
        assert_eq!(
            mode("postgresql://owner:sslmode=disable@bank.example/bank"),
            "VerifyFull"
        );
        assert_eq!(
            mode("postgresql://owner@bank.example/bank?sslmode=require"),
            "Require"
        );
        assert_eq!(mode("postgresql://owner@localhost/bank"), "Prefer");
    }

    #[test]
    fn no_error_shows_the_password() {
        for url in [
            "postgresql://owner:canary@bank.example:port/bank",
            "postgresql://owner:canary@/bank?port=canary",
            "owner:canary@bank.example",
            "postgresql://owner:canary%FF@bank.example/bank",
            "postgresql://owner:canary@bank.example/bank?sslmode=canary",
        ] {
            if let Err(error) = Target::new(url) {
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("canary@"), "{shown}");
            }
        }
        let target = Target::new("postgresql://owner:canary@localhost/bank").unwrap();
        assert!(!format!("{target:?}").contains("canary"), "{target:?}");
    }
}
