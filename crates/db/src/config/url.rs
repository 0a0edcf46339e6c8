//! Parses `postgresql://user:password@host:port/database?option=value`.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::{
    AuthMethods, ChannelBinding, ConfigError, DatabaseConfig, TargetSessionAttrs, TlsMode, keys,
};

/// The parts of a URL before the defaults are filled in.
#[derive(Default)]
struct Parts {
    user: Option<String>,
    password: Option<String>,
    hosts: Vec<String>,
    ports: Vec<u16>,
    database: Option<String>,
    passfile: Option<String>,
    application_name: Option<String>,
    connect_timeout: Option<Duration>,
    ssl_mode: Option<String>,
    ssl_root_certificate: Option<String>,
    target_session_attrs: Option<TargetSessionAttrs>,
    channel_binding: Option<ChannelBinding>,
    require_auth: Option<AuthMethods>,
}

pub(super) fn parse(url: &str) -> Result<DatabaseConfig, ConfigError> {
    let rest = url
        .strip_prefix("postgresql://")
        .or_else(|| url.strip_prefix("postgres://"))
        .ok_or_else(|| ConfigError::url("it must begin with postgresql://"))?;
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = location.split_once('/').unwrap_or((location, ""));
    // An unescaped / or ? in a password ends the part before it, and the rest would be shown as a
    // port or an option.
    if database.contains('@') {
        return Err(cut_password());
    }
    match read(authority, database, query) {
        Err(_) if !authority.contains('@') && query.contains('@') => Err(cut_password()),
        other => other,
    }
}

fn cut_password() -> ConfigError {
    ConfigError::url(
        "a / or ? in the user's name or the password, and an @ behind the host, must be \
         percent-encoded: %2F, %3F, %40",
    )
}

fn read(authority: &str, database: &str, query: &str) -> Result<DatabaseConfig, ConfigError> {
    let mut parts = Parts::default();
    if !database.is_empty() {
        parts.database = Some(decode("database", database)?);
    }
    // The last @ ends the credentials, so that a password with an unescaped @ is not read as a host
    // and shown in an error.
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    read_credentials(&mut parts, credentials)?;
    read_hosts(&mut parts, hosts)?;
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        read_option(&mut parts, name, decode(name, value)?)?;
    }
    finish(parts)
}

/// Returns the TLS mode of `sslmode` and `sslrootcert`, or of the variables with the same meaning.
pub(super) fn tls_mode(
    field: &str,
    mode: Option<&str>,
    root_certificate: Option<String>,
) -> Result<Option<TlsMode>, ConfigError> {
    // As in libpq, `system` is not a file but the operating system's trusted authorities.
    let system = root_certificate.as_deref() == Some("system");
    let root_certificate = root_certificate.filter(|_| !system);
    match mode {
        None if system => Ok(Some(TlsMode::VerifyFull {
            root_certificate: None,
        })),
        None => Ok(root_certificate.map(|file| TlsMode::VerifyFull {
            root_certificate: Some(file.into()),
        })),
        Some("disable") => Ok(Some(TlsMode::Disable)),
        Some("verify-full") => Ok(Some(TlsMode::VerifyFull {
            root_certificate: root_certificate.map(Into::into),
        })),
        Some(other) => Err(ConfigError::invalid(
            field,
            other,
            "disable or verify-full (the modes between them do not prove who the server is)",
        )),
    }
}

fn read_credentials(parts: &mut Parts, credentials: &str) -> Result<(), ConfigError> {
    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (credentials, None),
    };
    if !user.is_empty() {
        parts.user = Some(decode("user", user)?);
    }
    parts.password = password
        .map(|password| decode("password", password))
        .transpose()?;
    Ok(())
}

fn read_hosts(parts: &mut Parts, hosts: &str) -> Result<(), ConfigError> {
    for host in hosts.split(',').filter(|host| !host.is_empty()) {
        let (name, port) = match host.strip_prefix('[') {
            // An IPv6 address is in brackets, because it contains colons.
            Some(bracketed) => {
                let (address, port) = bracketed.split_once(']').ok_or_else(|| {
                    ConfigError::invalid("host", host, "an address with its closing bracket")
                })?;
                (address, port.strip_prefix(':'))
            }
            None => match host.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (host, None),
            },
        };
        parts.hosts.push(decode("host", name)?);
        parts
            .ports
            .push(port.map_or(Ok(5432), |port| read_port("port", port))?);
    }
    Ok(())
}

fn read_option(parts: &mut Parts, name: &str, value: String) -> Result<(), ConfigError> {
    match name {
        "host" => parts.hosts = value.split(',').map(str::to_owned).collect(),
        "port" => {
            parts.ports = value
                .split(',')
                .map(|port| read_port("port", port))
                .collect::<Result<_, _>>()?;
        }
        "user" => parts.user = Some(value),
        "password" => parts.password = Some(value),
        "passfile" => parts.passfile = Some(value).filter(|file| !file.is_empty()),
        "dbname" => parts.database = Some(value),
        "application_name" => parts.application_name = Some(value),
        "sslmode" => parts.ssl_mode = Some(value),
        "sslrootcert" => parts.ssl_root_certificate = Some(value),
        "connect_timeout" => {
            parts.connect_timeout = Some(connect_timeout(&value)?);
        }
        "target_session_attrs" => {
            parts.target_session_attrs = Some(TargetSessionAttrs::read(name, &value)?);
        }
        "channel_binding" => parts.channel_binding = Some(ChannelBinding::read(name, &value)?),
        "require_auth" if value.is_empty() => {}
        "require_auth" => parts.require_auth = Some(AuthMethods::read(name, &value)?),
        _ => {
            return Err(ConfigError::url(format!(
                "the option {name:?} is not obeyed here; obeyed are {}",
                keys::URL_KEYS.join(", ")
            )));
        }
    }
    Ok(())
}

/// Parses seconds as libpq does: zero or less means no limit.
fn connect_timeout(text: &str) -> Result<Duration, ConfigError> {
    let seconds: i32 = text
        .trim()
        .parse()
        .map_err(|_| ConfigError::invalid("connect_timeout", text, "a whole number of seconds"))?;
    Ok(match u64::try_from(seconds) {
        Ok(seconds @ 1..) => Duration::from_secs(seconds).min(super::NO_LIMIT),
        _ => super::NO_LIMIT,
    })
}

fn finish(parts: Parts) -> Result<DatabaseConfig, ConfigError> {
    let user = parts.user.ok_or_else(|| {
        ConfigError::missing("user (no operating system account is taken for it)")
    })?;
    // As everywhere in PostgreSQL, the database defaults to the user's name.
    let database = parts.database.unwrap_or_else(|| user.clone());
    let hosts = if parts.hosts.is_empty() {
        vec!["localhost".to_owned()]
    } else {
        parts.hosts
    };
    let mut config = DatabaseConfig::new(hosts, database, user);
    if !parts.ports.is_empty() {
        config.ports = parts.ports;
    }
    if let Some(password) = parts.password {
        config = config.with_password(password);
    }
    if let Some(application_name) = parts.application_name {
        config.application_name = application_name;
    }
    if let Some(connect_timeout) = parts.connect_timeout {
        config.connect_timeout = connect_timeout;
    }
    if let Some(attrs) = parts.target_session_attrs {
        config.target_session_attrs = attrs;
    }
    if let Some(channel_binding) = parts.channel_binding {
        config.channel_binding = channel_binding;
    }
    config.require_auth = parts.require_auth;
    config.passfile = parts.passfile.map(Into::into);
    if let Some(tls) = tls_mode(
        "sslmode",
        parts.ssl_mode.as_deref(),
        parts.ssl_root_certificate,
    )? {
        config.tls = tls;
    }
    config.validate()?;
    Ok(config)
}

fn read_port(field: &str, text: &str) -> Result<u16, ConfigError> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(ConfigError::invalid(field, text, "a port from 1 to 65535")),
    }
}

fn decode(field: &str, text: &str) -> Result<String, ConfigError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ConfigError::url(format!("{field} is not UTF-8 after percent-decoding")))
}
