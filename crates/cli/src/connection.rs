//! The address of the database: `--url`, or the environment variables of neobank-db. And the actor,
//! for whom a command works there.

use neobank_db::{ConfigError, Database, DatabaseConfig, Transaction, environment_variable};
use neobank_domain::ledger::Actor;
use neobank_domain::{Ledger, change_log};
#[cfg(feature = "bench")]
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::CommandError;

/// The address of the database.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The URL of the command line, which takes precedence over the environment.
    url: Option<GivenUrl>,
    /// The host of a check's command line, which takes precedence over both.
    host: Option<String>,
    /// The actor of the command line, which takes precedence over NEOBANK_ACTOR.
    actor: Option<Actor>,
}

/// A URL that may hold a password.
#[derive(Clone)]
struct GivenUrl(String);

impl std::fmt::Debug for GivenUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(hidden)")
    }
}

impl Connection {
    pub(crate) fn new(url: Option<String>) -> Self {
        Self {
            url: url.map(GivenUrl),
            host: None,
            actor: None,
        }
    }

    /// Returns the same address with an actor.
    pub(crate) fn with_actor(self, actor: Option<Actor>) -> Self {
        Self { actor, ..self }
    }

    /// Returns a ledger whose requests are those of the actor, if there is one.
    pub(crate) fn ledger(&self, database: &Database) -> Result<Ledger, CommandError> {
        let ledger = Ledger::new(database.clone());
        Ok(match self.actor()? {
            Some(actor) => ledger.acting_as(actor),
            None => ledger,
        })
    }

    /// Begins a transaction whose changes of the bank's master data are recorded as those of the
    /// actor, if there is one.
    pub(crate) async fn begin_change(
        &self,
        database: &Database,
    ) -> Result<Transaction, CommandError> {
        let transaction = database.begin().await?;
        if let Some(actor) = self.actor()? {
            change_log::act_as(&transaction, &actor).await?;
        }
        Ok(transaction)
    }

    /// Returns the actor of the command line or of the environment. An empty variable is an error:
    /// a caller who sets it means an actor.
    pub(crate) fn actor(&self) -> Result<Option<Actor>, CommandError> {
        if self.actor.is_some() {
            return Ok(self.actor.clone());
        }
        let name = environment_variable(ACTOR)?;
        let actor = name.map(|name| name.parse::<Actor>()).transpose();
        actor.map_err(|error| CommandError::usage(format!("{ACTOR}: {error}")))
    }

    /// Returns the same address with another host.
    pub(crate) fn with_host(self, host: Option<String>) -> Self {
        Self { host, ..self }
    }

    /// Returns the configuration of a command, which runs its statements one after another.
    pub(crate) fn config(&self, command: &str) -> Result<DatabaseConfig, CommandError> {
        let mut config = self.service_config(command)?;
        config.pool_min = 0;
        config.pool_max = config.pool_max.clamp(1, POOL_MAX);
        config.auto_size = None;
        config.validate()?;
        Ok(config)
    }

    /// Returns the configuration of a session with the command's name as `application_name`, with
    /// the pool of the environment.
    pub(crate) fn service_config(&self, command: &str) -> Result<DatabaseConfig, CommandError> {
        let mut config = self.read(environment_variable)?;
        if let Some(host) = &self.host {
            config.hosts = vec![host.clone()];
            config.ports.truncate(1);
        }
        if std::env::var_os("DB_APPLICATION_NAME").is_none_or(|name| name.is_empty()) {
            config.application_name = format!("neobank {command}");
        }
        config.validate()?;
        Ok(config)
    }

    /// Opens a pool for one command.
    pub(crate) async fn open(&self, command: &str) -> Result<Database, CommandError> {
        Ok(Database::connect(self.config(command)?).await?)
    }

    /// Returns the URL of the command line, with the password of the environment.
    #[cfg(feature = "bench")]
    pub(crate) fn given_as_url(&self) -> Result<Option<String>, CommandError> {
        let Some(GivenUrl(url)) = &self.url else {
            return Ok(None);
        };
        self.read(environment_variable)?;
        let password = environment_variable("DB_PASSWORD")?;
        let password = password.filter(|password| !password.is_empty());
        Ok(Some(with_password(url, password)))
    }

    fn read(
        &self,
        variable: impl Fn(&str) -> Result<Option<String>, ConfigError>,
    ) -> Result<DatabaseConfig, CommandError> {
        let Some(GivenUrl(url)) = &self.url else {
            return Ok(DatabaseConfig::try_from_variables(variable)?);
        };
        let config = DatabaseConfig::try_from_variables(|name| match name {
            "DATABASE_URL" => Ok(Some(url.clone())),
            "DB_HOST" | "DB_PORT" | "DB_NAME" | "DB_USER" | "DB_PASSWORD" => Ok(None),
            other => variable(other),
        });
        let config = config.map_err(|error| match error {
            ConfigError::Missing { field } => {
                CommandError::usage(format!("--url: {field} is missing"))
            }
            other => other.into(),
        })?;
        Ok(
            match variable("DB_PASSWORD")?.filter(|password| !password.is_empty()) {
                Some(password) if !has_password(url) => config.with_password(password),
                _ => config,
            },
        )
    }
}

/// The variable that names the actor.
const ACTOR: &str = "NEOBANK_ACTOR";

/// The greatest number of connections of a command: one for its work, one in recovery, and one that
/// resolves an in-doubt commit.
const POOL_MAX: usize = 3;

/// Returns `true` if a URL contains a password, before or after its `?`.
fn has_password(url: &str) -> bool {
    let (location, options) = url.split_once('?').unwrap_or((url, ""));
    let authority = location
        .split_once("://")
        .map_or(location, |(_, rest)| rest);
    let in_authority = authority
        .rsplit_once('@')
        .is_some_and(|(credentials, _)| credentials.contains(':'));
    in_authority
        || options
            .split('&')
            .any(|option| option.starts_with("password="))
}

#[cfg(feature = "bench")]
fn with_password(url: &str, password: Option<String>) -> String {
    match password {
        Some(password) if !has_password(url) => {
            let separator = if url.contains('?') { '&' } else { '?' };
            let password = utf8_percent_encode(&password, NON_ALPHANUMERIC);
            format!("{url}{separator}password={password}")
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, variables: &[(&str, &str)]) -> Result<DatabaseConfig, CommandError> {
        Connection::new(Some(url.to_owned())).read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, value)| (*value).to_owned()))
        })
    }

    #[test]
    fn command_line_takes_precedence_over_the_environment() {
        let environment = [
            ("DATABASE_URL", "postgresql://other@elsewhere/other"),
            ("DB_HOST", "elsewhere"),
            ("DB_STATEMENT_TIMEOUT", "7s"),
        ];
        let config = read("postgresql://teller@localhost/bank", &environment).unwrap();
        assert_eq!(
            (config.user.as_str(), config.database.as_str()),
            ("teller", "bank")
        );
        assert_eq!(config.statement_timeout.as_secs(), 7);
    }

    #[test]
    fn password_in_the_url_is_found() {
        assert!(has_password("postgresql://teller:secret@localhost/bank"));
        assert!(has_password(
            "postgresql://localhost/bank?user=a&password=b"
        ));
        assert!(!has_password("postgresql://teller@localhost:5432/bank"));
    }

    #[cfg(feature = "bench")]
    #[test]
    fn password_is_encoded_in_the_url() {
        assert_eq!(
            with_password("postgresql://teller@localhost/bank", Some("a&b".to_owned())),
            "postgresql://teller@localhost/bank?password=a%26b"
        );
    }

    #[test]
    fn errors_hide_the_password() {
        for url in [
            "postgresql://owner:canary@bank.example:port/bank",
            "postgresql://owner:canary@/bank?port=canary2",
            "owner:canary@bank.example",
        ] {
            let error = read(url, &[]).unwrap_err();
            assert!(!format!("{error:?}").contains("canary@"), "{error:?}");
        }
        assert!(!format!("{:?}", Connection::new(Some("canary".to_owned()))).contains("canary"));
    }
}
