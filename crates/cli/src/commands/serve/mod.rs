//! The command `neobank serve`.

#[cfg(feature = "demo")]
mod demo;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use neobank_db::Database;
use neobank_domain::Ledger;
use neobank_server::{
    ConsoleOptions, Limits, ListenAddress, Server, ServiceState, Tls, TlsFiles, Workers,
};
use serde_json::json;

use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output};
use crate::stop::StopSignals;

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The address to listen on: an IP address and a port, or unix:PATH for a Unix socket
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: ListenAddress,
    /// Listen on an address that other machines reach, without encryption: only behind a proxy that
    /// encrypts
    #[arg(long, conflicts_with = "tls_certificate")]
    allow_plain_http: bool,
    /// Encrypt with the certificate of this file, which has those of its issuers behind it, in PEM. A
    /// changed file is read again within seconds
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, in PEM without a passphrase
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Start a server of PostgreSQL, fill it with a real bank's year, and print how to use the API and
    /// the console; all of it ends with this program
    #[cfg(feature = "demo")]
    #[arg(long)]
    demo: bool,
    /// Serve the API alone, without the console at /console
    #[arg(long)]
    no_console: bool,
    /// Neither seal records, nor record the ends of holds, nor send the events of webhooks: another
    /// process does. Without it, events appear within a second
    #[arg(long)]
    no_workers: bool,
    /// Let webhooks reach private addresses: those of this machine and of private networks, also
    /// without encryption
    #[arg(long)]
    webhook_private_addresses: bool,
    /// The longest time in seconds of an attempt to send an event to a webhook
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u8).range(1..=60))]
    webhook_timeout: u8,
}

pub(crate) async fn run(
    arguments: &ServeArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let address = &arguments.listen;
    let tls = arguments.tls()?;
    let validated = address.validate(arguments.allow_plain_http || tls.is_some());
    validated.map_err(|error| CommandError::usage(error.to_string()))?;
    let failed = |error: std::io::Error| not_bound(address, &error);
    // Before the first connection, so that no signal is lost.
    let mut signals = StopSignals::listen().map_err(failed)?;
    #[cfg(feature = "demo")]
    if arguments.demo {
        if let ListenAddress::Tcp(address) = address {
            // A port in use is told before the work of half a minute.
            drop(std::net::TcpListener::bind(address).map_err(failed)?);
        }
        let demo = demo::start().await?;
        let server = bind(arguments, tls, demo.database.clone()).await?;
        demo.introduce(server.address());
        return run_until(server, &mut signals).await;
    }
    let database = Database::connect(connection.service_config("serve")?).await?;
    let server = bind(arguments, tls, database).await?;
    run_until(server, &mut signals).await
}

impl ServeArguments {
    /// Reads the certificate and its key.
    fn tls(&self) -> Result<Option<Tls>, CommandError> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else {
            return Ok(None);
        };
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
}

/// Listens on the address.
async fn bind(
    arguments: &ServeArguments,
    tls: Option<Tls>,
    database: Database,
) -> Result<Server, CommandError> {
    let address = &arguments.listen;
    let mut limits = Limits::default();
    limits.webhooks.private_addresses = arguments.webhook_private_addresses;
    limits.webhooks.attempt_timeout = Duration::from_secs(arguments.webhook_timeout.into());
    let state = ServiceState::new(Ledger::new(database), limits);
    let bound = Server::bind(address, state).await;
    let mut server = bound.map_err(|error| not_bound(address, &error))?;
    if !arguments.no_console {
        server = server.with_console(ConsoleOptions::default());
    }
    if let Some(tls) = tls {
        server = server.with_tls(tls);
    }
    if arguments.no_workers {
        server = server.with_workers(Workers::none());
    }
    Ok(server)
}

fn not_bound(address: &ListenAddress, error: &std::io::Error) -> CommandError {
    CommandError::failed("listen", format!("{address}: {error}"))
}

/// Serves until the program gets a signal to stop.
async fn run_until(server: Server, signals: &mut StopSignals) -> Result<Output, CommandError> {
    let bound = server.address().to_owned();
    let _ = writeln!(std::io::stderr().lock(), "listening on {bound}");
    let stop = async {
        // Without signals to wait for, the service stops too.
        let _ = signals.received().await;
    };
    let unfinished = server.run(stop).await;
    let note = format!("stopped; {unfinished} connections did not end in time");
    let data = json!({ "listened_on": bound, "unfinished_connections": unfinished });
    Output::new("serve", data, vec![Block::Note(note)])
}
