//! Reads a configuration from the environment.

use std::env::VarError;
use std::time::Duration;

use super::{
    AuthMethods, ChannelBinding, ConfigError, DatabaseConfig, Pooler, TargetSessionAttrs, url,
};
use crate::pool::AutoSize;

/// Returns a variable of the process's environment, or `None` where it is unset.
///
/// # Errors
///
/// [`ConfigError::NotUnicode`] for a value that is not UTF-8, so that a caller does not take it for
/// unset. `HOME` is excepted: it is no setting, and only a file of passwords is looked for there.
pub fn environment_variable(name: &str) -> Result<Option<String>, ConfigError> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotUnicode(_)) if name != "HOME" => Err(ConfigError::NotUnicode {
            field: name.to_owned(),
        }),
        Err(_) => Ok(None),
    }
}

pub(super) fn read(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<DatabaseConfig, ConfigError> {
    // An empty variable counts as unset, because most deployment tools unset a variable that way.
    let variable = |name: &str| {
        let value = variable(name).filter(|value| !value.is_empty())?;
        // Kubernetes sets DB_PORT=tcp://10.0.0.1:5432 in every pod beside a service that is called
        // db.
        if name == "DB_PORT" && value.contains("://") {
            tracing::warn!("DB_PORT={value} is Kubernetes' own and no port; it counts as unset");
            return None;
        }
        Some(value)
    };
    let mut config = location(&variable)?;
    limits(&mut config, &variable)?;
    if let Some(application_name) = variable("DB_APPLICATION_NAME") {
        config.application_name = application_name;
    }
    let passfile = variable("PGPASSFILE");
    let home = variable("HOME").map(|home| std::path::Path::new(&home).join(".pgpass"));
    config.passfile = config.passfile.or(passfile.map(Into::into)).or(home);
    if let Some(role) = variable("DB_ROLE") {
        config.role = Some(role);
    }
    let mode = variable("DB_TLS_MODE");
    if let Some(tls) = url::tls_mode(
        "DB_TLS_MODE",
        mode.as_deref(),
        variable("DB_TLS_ROOT_CERTIFICATE"),
    )? {
        config.tls = tls;
    }
    if let Some(text) = variable("DB_TARGET_SESSION_ATTRS") {
        config.target_session_attrs = TargetSessionAttrs::read("DB_TARGET_SESSION_ATTRS", &text)?;
    }
    if let Some(text) = variable("DB_CHANNEL_BINDING") {
        config.channel_binding = ChannelBinding::read("DB_CHANNEL_BINDING", &text)?;
    }
    if let Some(text) = variable("DB_REQUIRE_AUTH") {
        config.require_auth = Some(AuthMethods::read("DB_REQUIRE_AUTH", &text)?);
    }
    if let Some(pooler) = variable("DB_POOLER") {
        config.pooler = match pooler.as_str() {
            "none" => Pooler::None,
            "transaction" => Pooler::Transaction,
            _ => {
                return Err(ConfigError::invalid(
                    "DB_POOLER",
                    pooler,
                    "none or transaction",
                ));
            }
        };
    }
    config.validate()?;
    Ok(config)
}

fn location(variable: &impl Fn(&str) -> Option<String>) -> Result<DatabaseConfig, ConfigError> {
    if let Some(url) = variable("DATABASE_URL") {
        if let Some(second) = ["DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD"]
            .into_iter()
            .find(|name| variable(name).is_some())
        {
            return Err(ConfigError::Ambiguous {
                first: "DATABASE_URL".to_owned(),
                second: second.to_owned(),
            });
        }
        return DatabaseConfig::from_url(&url);
    }
    let user =
        variable("DB_USER").ok_or_else(|| ConfigError::missing("DATABASE_URL, or DB_USER"))?;
    let database = variable("DB_NAME").ok_or_else(|| ConfigError::missing("DB_NAME"))?;
    let host = variable("DB_HOST").unwrap_or_else(|| "localhost".to_owned());
    let hosts = host
        .split(',')
        .map(|host| {
            host.trim()
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned()
        })
        .collect();
    let mut config = DatabaseConfig::new(hosts, database, user);
    if let Some(port) = variable("DB_PORT") {
        config.ports = ports(&port)?;
    }
    if let Some(password) = variable("DB_PASSWORD") {
        config = config.with_password(password);
    }
    Ok(config)
}

/// Reads one port for all hosts, or one for each.
fn ports(text: &str) -> Result<Vec<u16>, ConfigError> {
    text.split(',')
        .map(|port| match port.trim().parse::<u16>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(ConfigError::invalid(
                "DB_PORT",
                text,
                "a port from 1 to 65535",
            )),
        })
        .collect()
}

fn limits(
    config: &mut DatabaseConfig,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    for (name, field) in [
        ("DB_POOL_MIN", &mut config.pool_min),
        ("DB_POOL_MAX", &mut config.pool_max),
        ("DB_POOL_WAITERS_MAX", &mut config.waiters_max),
    ] {
        if let Some(text) = variable(name) {
            *field = text
                .parse()
                .map_err(|_| ConfigError::invalid(name, text, "a whole number"))?;
        }
    }
    for (name, field) in [
        ("DB_ACQUIRE_TIMEOUT", &mut config.acquire_timeout),
        ("DB_CONNECT_TIMEOUT", &mut config.connect_timeout),
        ("DB_IDLE_TIMEOUT", &mut config.idle_timeout),
        ("DB_STATEMENT_TIMEOUT", &mut config.statement_timeout),
        ("DB_LOCK_TIMEOUT", &mut config.lock_timeout),
        (
            "DB_IDLE_IN_TRANSACTION_TIMEOUT",
            &mut config.idle_in_transaction_timeout,
        ),
        ("DB_COMMIT_TIMEOUT", &mut config.commit_timeout),
    ] {
        if let Some(text) = variable(name) {
            *field = duration(name, &text)?;
        }
    }
    if let Some(text) = variable("DB_POOL_AUTO_SIZE") {
        config.auto_size = Some(AutoSize {
            interval: duration("DB_POOL_AUTO_SIZE", &text)?,
            ..AutoSize::default()
        });
    }
    Ok(())
}

fn duration(name: &str, text: &str) -> Result<Duration, ConfigError> {
    humantime::parse_duration(text).map_err(|_| {
        ConfigError::invalid(name, text, "a duration with its unit, such as 500ms or 2s")
    })
}
