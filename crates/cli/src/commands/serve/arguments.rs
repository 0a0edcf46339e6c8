//! The options of the service, which the command line, the environment or a settings file has.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Args};
#[cfg(feature = "otlp")]
use neobank_server::Telemetry;
use neobank_server::{Issuer, IssuerOptions, Limits, ListenAddress, RateLimit, Tls, TlsFiles};

use crate::error::CommandError;
#[cfg(feature = "otlp")]
use crate::logging;

/// The options that no variable of the environment and no settings file has.
pub(super) const COMMAND_LINE_ONLY: [&str; 2] = ["check", "demo"];

#[derive(Debug, Args)]
#[command(mut_args = with_variable)]
pub(crate) struct ServeArguments {
    /// Read settings from a TOML file: the names of the options below without their dashes. An option
    /// of the command line takes precedence over its variable, and both over the file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the settings, the certificate, the database, its schema and the role, print what the
    /// service would do, and end without listening
    #[arg(long)]
    pub(super) check: bool,
    /// The address to listen on: an IP address and a port, or unix:PATH for a Unix socket
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(super) listen: ListenAddress,
    /// Listen on an address that other machines reach, without encryption: only behind a proxy that
    /// encrypts
    #[arg(long)]
    allow_plain_http: bool,
    /// Encrypt with the certificate of this file, which has those of its issuers behind it, in PEM. A
    /// changed file is read again within seconds
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, in PEM without a passphrase
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The most requests in a second of each key, where a batch counts as its requests; more are
    /// answered with 429. Without it there is no limit
    #[arg(
        long,
        value_name = "REQUESTS",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    rate_limit: Option<u32>,
    /// The most requests of a key at once; twice the --rate-limit by default
    #[arg(
        long,
        value_name = "REQUESTS",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    rate_burst: Option<u32>,
    /// The most requests in a second without a known key from each address, and ten times as many at
    /// once; 0 is no limit
    #[arg(long, value_name = "REQUESTS", default_value_t = 100)]
    attempt_limit: u32,
    /// Take the access tokens of this OpenID Connect issuer beside keys
    #[arg(long, value_name = "URL")]
    oidc_issuer: Option<String>,
    /// The name of this service at the issuer: tokens have it in aud
    #[arg(long, value_name = "TEXT")]
    oidc_audience: Option<String>,
    /// The address or the file of the issuer's keys (JWKS), instead of the one that the issuer's
    /// configuration names
    #[arg(long, value_name = "URL|FILE")]
    oidc_jwks: Option<String>,
    /// The issuer's name in actors, oidc:NAME/SUBJECT; its host by default
    #[arg(long, value_name = "NAME")]
    oidc_name: Option<String>,
    /// The time after the signal to stop in which the service says that it is not ready and still
    /// takes connections, such as 5s
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1s",
        value_parser = humantime::parse_duration
    )]
    drain_delay: Duration,
    /// The longest time for requests at work after that
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        value_parser = humantime::parse_duration
    )]
    drain_timeout: Duration,
    /// Send traces and metrics to this receiver of OpenTelemetry (OTLP over HTTP), such as
    /// http://127.0.0.1:4318. OTEL_EXPORTER_OTLP_ENDPOINT does the same
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Start a server of PostgreSQL, fill it with a real bank's year, and print how to use the API and
    /// the console; all of it ends with this program
    #[cfg(feature = "demo")]
    #[arg(long)]
    pub(super) demo: bool,
    /// Serve the API alone, without the console at /console
    #[arg(long)]
    pub(super) no_console: bool,
    /// Neither seal records, nor record the ends of holds, nor send the events of webhooks: another
    /// process does. Without it, events appear within a second
    #[arg(long)]
    pub(super) no_workers: bool,
    /// Let webhooks reach private addresses: those of this machine and of private networks, also
    /// without encryption
    #[arg(long)]
    webhook_private_addresses: bool,
    /// The longest time in seconds of an attempt to send an event to a webhook
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 15,
        value_parser = clap::value_parser!(u8).range(1..=60)
    )]
    webhook_timeout: u8,
}

/// Gives an option its variable, such as `NEOBANK_LISTEN`. A flag gets a value, which the variable and
/// the settings file have.
fn with_variable(argument: Arg) -> Arg {
    let name = argument.get_long();
    let Some(name) = name.filter(|name| !COMMAND_LINE_ONLY.contains(name)) else {
        return argument;
    };
    let variable = format!("NEOBANK_{}", name.to_uppercase().replace('-', "_"));
    let is_flag = matches!(argument.get_action(), ArgAction::SetTrue);
    let argument = argument.env(variable).hide_env_values(true);
    if !is_flag {
        return argument;
    }
    argument
        .value_name("BOOL")
        .action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .value_parser(BoolishValueParser::new())
}

impl ServeArguments {
    /// Returns true if the command goes on until it is stopped.
    pub(crate) const fn is_service(&self) -> bool {
        !self.check
    }

    /// Returns the address, unless other machines would reach it without encryption.
    pub(super) fn validated_address(&self) -> Result<&ListenAddress, CommandError> {
        let is_allowed = self.allow_plain_http || self.tls_certificate.is_some();
        let validated = self.listen.validate(is_allowed);
        validated.map_err(|error| CommandError::usage(error.to_string()))?;
        Ok(&self.listen)
    }

    /// Reads the certificate and its key.
    pub(super) fn tls(&self) -> Result<Option<Tls>, CommandError> {
        let usage = |message: &str| Err(CommandError::usage(message));
        let (certificate, key) = match (&self.tls_certificate, &self.tls_key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => return usage("--tls-certificate needs --tls-key"),
            (None, Some(_)) => return usage("--tls-key needs --tls-certificate"),
        };
        if self.allow_plain_http {
            return usage("--allow-plain-http contradicts --tls-certificate");
        }
        if let ListenAddress::Unix(_) = self.listen {
            let message = format!("{} needs no TLS: only this machine reaches it", self.listen);
            return Err(CommandError::usage(message));
        }
        let files = TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let loaded = Tls::load(files).map_err(|error| CommandError::invalid("certificate", error));
        loaded.map(Some)
    }

    /// Returns the issuer whose tokens the service takes.
    pub(super) fn issuer(&self) -> Result<Option<Issuer>, CommandError> {
        let usage = |message: &str| Err(CommandError::usage(message));
        let (issuer, audience) = match (&self.oidc_issuer, &self.oidc_audience) {
            (Some(issuer), Some(audience)) => (issuer, audience),
            (Some(_), None) => return usage("--oidc-issuer needs --oidc-audience"),
            (None, Some(_)) => return usage("--oidc-audience needs --oidc-issuer"),
            (None, None) if self.oidc_jwks.is_some() => {
                return usage("--oidc-jwks needs --oidc-issuer");
            }
            (None, None) => return Ok(None),
        };
        let mut options = IssuerOptions::new(issuer, audience);
        options.name.clone_from(&self.oidc_name);
        options.keys.clone_from(&self.oidc_jwks);
        let issuer = Issuer::new(options).map_err(|error| CommandError::invalid("issuer", error));
        issuer.map(Some)
    }

    /// Starts the export of traces and metrics, if the settings name a receiver.
    #[cfg(feature = "otlp")]
    pub(crate) fn start_telemetry(&self) -> Result<(), CommandError> {
        if self.check {
            return Ok(());
        }
        let started = Telemetry::start(self.otlp_endpoint.as_deref());
        let started = started.map_err(|error| CommandError::usage(error.to_string()))?;
        if let Some(telemetry) = started {
            logging::export(telemetry);
        }
        Ok(())
    }

    /// Returns the limits of the service.
    pub(super) fn limits(&self) -> Result<Limits, CommandError> {
        if self.rate_burst.is_some() && self.rate_limit.is_none() {
            return Err(CommandError::usage("--rate-burst needs --rate-limit"));
        }
        let mut limits = Limits::default();
        limits.caller_rate = self.rate_limit.map(|rate| {
            let burst = self.rate_burst.unwrap_or(rate.saturating_mul(2));
            RateLimit::new(rate, burst)
        });
        let attempts = self.attempt_limit;
        let attempts_at_once = attempts.saturating_mul(10);
        limits.attempt_rate = (attempts > 0).then(|| RateLimit::new(attempts, attempts_at_once));
        limits.drain_delay = self.drain_delay;
        limits.drain_timeout = self.drain_timeout;
        limits.webhooks.private_addresses = self.webhook_private_addresses;
        limits.webhooks.attempt_timeout = Duration::from_secs(self.webhook_timeout.into());
        Ok(limits)
    }
}

/// The plan of the service, in words without secrets.
impl ServeArguments {
    pub(super) fn described_address(&self) -> Result<String, CommandError> {
        let address = self.validated_address()?;
        let pages = if self.no_console {
            "the API"
        } else {
            "the API and the console"
        };
        Ok(format!("serves {pages} on {address}"))
    }

    pub(super) fn described_tls(&self) -> Result<String, CommandError> {
        self.tls()?;
        Ok(match &self.tls_certificate {
            Some(path) => format!("encrypts with the certificate of {}", path.display()),
            None => "does not encrypt".to_owned(),
        })
    }

    /// Reads the issuer's keys, which the service reads when the first token arrives.
    pub(super) async fn described_issuer(&self) -> Result<String, CommandError> {
        let Some(issuer) = self.issuer()? else {
            return Ok("takes API keys alone".to_owned());
        };
        let keys = issuer.read_keys().await;
        let keys = keys.map_err(|error| CommandError::failed("issuer", error))?;
        let url = self.oidc_issuer.as_deref().unwrap_or_default();
        Ok(format!(
            "takes API keys and tokens of {url}, which has {keys} keys"
        ))
    }

    pub(super) fn described_limits(&self) -> Result<String, CommandError> {
        let limits = self.limits()?;
        let per_key = limits.caller_rate.map_or_else(
            || "any rate of a key".to_owned(),
            |rate| {
                let (per_second, burst) = (rate.per_second, rate.burst);
                format!("{per_second} requests/s of a key and {burst} at once")
            },
        );
        let attempts = limits.attempt_rate.map_or_else(
            || "any rate of attempts".to_owned(),
            |rate| {
                format!(
                    "{} attempts/s without a key from an address",
                    rate.per_second
                )
            },
        );
        Ok(format!("takes {per_key}, and {attempts}"))
    }

    pub(super) fn described_stop(&self) -> Result<String, CommandError> {
        let delay = humantime::format_duration(self.drain_delay);
        let limit = humantime::format_duration(self.drain_timeout);
        Ok(format!(
            "takes connections for {delay} after the signal, and ends requests within {limit}"
        ))
    }

    #[cfg(feature = "otlp")]
    pub(super) fn described_telemetry(&self) -> Result<String, CommandError> {
        let destinations = Telemetry::destinations(self.otlp_endpoint.as_deref());
        let destinations = destinations.map_err(|error| CommandError::usage(error.to_string()))?;
        Ok(match destinations {
            Some(destinations) => format!("exports {destinations}"),
            None => "exports neither traces nor metrics".to_owned(),
        })
    }

    pub(super) fn described_workers(&self) -> Result<String, CommandError> {
        Ok(if self.no_workers {
            "leaves sealing, the ends of holds and webhooks to another process"
        } else {
            "seals records, records the ends of holds, and sends the events of webhooks"
        }
        .to_owned())
    }
}
