//! The command `neobank serve`.

mod arguments;
mod check;
#[cfg(feature = "demo")]
mod demo;
mod file;

use std::io::Write as _;
#[cfg(feature = "otlp")]
use std::time::Duration;

use neobank_db::Database;
use neobank_domain::Ledger;
use neobank_server::{ConsoleOptions, ListenAddress, Server, ServiceState, Tls, Workers};
use serde_json::json;

pub(crate) use self::arguments::ServeArguments;
pub(crate) use self::file::SettingsFile;
use crate::connection::Connection;
use crate::error::CommandError;
#[cfg(feature = "otlp")]
use crate::logging;
use crate::output::{Block, Output};
use crate::stop::StopSignals;

/// The longest time of the last export of traces and metrics when the service stops.
#[cfg(feature = "otlp")]
const LAST_EXPORT: Duration = Duration::from_secs(3);

pub(crate) async fn run(
    arguments: &ServeArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    if arguments.check {
        return check::check(arguments, connection).await;
    }
    let tls = arguments.tls()?;
    let address = arguments.validated_address()?;
    arguments.limits()?;
    arguments.issuer()?;
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

/// Listens on the address.
async fn bind(
    arguments: &ServeArguments,
    tls: Option<Tls>,
    database: Database,
) -> Result<Server, CommandError> {
    let address = &arguments.listen;
    let mut state = ServiceState::new(Ledger::new(database), arguments.limits()?);
    if let Some(issuer) = arguments.issuer()? {
        state = state.with_issuer(issuer);
    }
    #[cfg(feature = "otlp")]
    if let Some(telemetry) = logging::telemetry() {
        telemetry.observe(&state);
    }
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
    #[cfg(feature = "otlp")]
    if let Some(telemetry) = logging::telemetry() {
        telemetry.stop(LAST_EXPORT).await;
    }
    let note = format!("stopped; {unfinished} connections did not end in time");
    let data = json!({ "listened_on": bound, "unfinished_connections": unfinished });
    Output::new("serve", data, vec![Block::Note(note)])
}
